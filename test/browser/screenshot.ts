/**
 * Makes the documentation's pictures of the page: `node test/browser/screenshot.ts` writes docs/images/page.png and
 * page-phone.png. Needs Chromium and a Korean font (Debian: fonts-noto-cjk). Run it by hand, check the pictures, commit them.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { chromium, find } from "../../deploy/local/SystemProgram.ts"
import * as Process from "../harness/Process.ts"
import * as Visitor from "./Visitor.ts"

const images = fileURLToPath(new URL("../../docs/images/", import.meta.url))
const question = "라벨이 안 떨어지는데 그냥 버려도 되나요?"
/** What is visible in the drawing. */
const visible = ["내용물 비움", "깨끗함", "라벨 붙어 있음", "뚜껑 닫힘", "무색투명", "한 개"]

const executable = find(chromium)
if (executable === undefined) throw new Error("no Chromium; CHROMIUM_PATH may name one")
const folder = mkdtempSync(join(tmpdir(), "eco2-screenshot-"))
const system = await Process.start("all", { ECO2_STATE: folder, SIMULATED_MODEL: "true" })
const browser = await Visitor.launch(executable)
try {
  mkdirSync(images, { recursive: true })
  const photo = await Visitor.bottlePhoto(
    browser,
    question,
    (minor, tags) => minor === "생수병" && tags.every((tag) => visible.includes(tag))
  )
  const sizes = [
    { name: "page", fullPage: true, options: { viewport: { width: 1280, height: 900 } } },
    {
      name: "page-phone",
      fullPage: false,
      options: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }
    }
  ]
  for (const { fullPage, name, options } of sizes) {
    const visitor = await Visitor.visit(browser, system.address, { ...options, colorScheme: "light" })
    await visitor.ask(photo, question)
    await visitor.page.getByTestId("answer").waitFor()
    await visitor.page.evaluate("scrollTo(0, 0)")
    const path = join(images, `${name}.png`)
    await visitor.page.screenshot({ path, animations: "disabled", fullPage })
    console.log(`${path}: ${Math.round(statSync(path).size / 1000)} KB`)
    await visitor.close()
  }
} finally {
  await browser.close()
  await system.stop()
  rmSync(folder, { recursive: true, force: true })
}
