/**
 * Makes a picture of every state of the page: `node test/browser/states.ts [state | 360-light-ko …]` writes test/.artifacts/states/<state>-<width>-
 * <scheme>-<language>.png for phone and desktop, light and dark, Korean and English, and says what axe finds wrong and what hangs
 * over the window's edge. Needs Chromium and a Korean font (Debian: fonts-noto-cjk). Run it by hand and look at the pictures.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { chromium, find } from "../../deploy/local/SystemProgram.ts"
import * as Process from "../harness/Process.ts"
import * as Visitor from "./Visitor.ts"

const folder = fileURLToPath(new URL("../.artifacts/states/", import.meta.url))
const question = "라벨이 안 떨어지는데 그냥 버려도 되나요?"
const executable = find(chromium)
if (executable === undefined) throw new Error("no Chromium; CHROMIUM_PATH may name one")
const state = mkdtempSync(join(tmpdir(), "eco2-states-"))
const system = await Process.start("all", {
  ECO2_STATE: state,
  SIMULATED_MODEL: "true",
  SIMULATED_VISION_MS: "100",
  SIMULATED_ANSWER_MS: "100",
  SIGN_IN_URL: "/sign-in"
})
const browser = await Visitor.launch(executable)
const photo = await Visitor.bottlePhoto(browser, question)

type Step = (visitor: Visitor.Visitor) => Promise<unknown>
const failing =
  (status: number, code: string): Step =>
  ({ page }) =>
    page.route(/\/api\/v1\/scan$/, (route) => route.fulfill({ status, json: { detail: code, code } }))
const asked: Step = (visitor) => visitor.ask(photo, question)
const shown =
  (testId: string): Step =>
  ({ page }) =>
    page.getByTestId(testId).waitFor()
const done: Step = async (visitor) => {
  await asked(visitor)
  await shown("answer")(visitor)
}
/** The stream never tells of an end, and the result is this. */
const ended =
  (status: string, error: object | null): Step =>
  async ({ page }) => {
    await page.route(/\/events/, (route) => route.fulfill({ status: 204 }))
    await page.route(/\/result$/, (route) =>
      route.fulfill({
        json: {
          task_id: "x",
          status,
          message: "",
          pipeline_result: { classification_result: null, disposal_rules: null, final_answer: null },
          reward: null,
          error,
          metadata: {}
        }
      })
    )
  }
const openJob: Step = ({ page }) => page.evaluate("location.hash = 'job=00000000-0000-4000-8000-000000000001'")
/** `seq` null: of the text that is being written, which is no part of the history. */
const event = (seq: number | null, stage: string, status: string, progress: number, result: unknown = null) =>
  `event: ${stage}\n${seq === null ? "" : `id: ${seq}\n`}data: ${JSON.stringify({ job_id: "x", stage, status, seq, ts: Date.now() / 1000, progress, result })}\n\n`
/** `stage`: that the job is in, and `progress`, as its result says. */
const running =
  (stage: string, progress: number, ...events: ReadonlyArray<string>): Step =>
  async ({ page }) => {
    await page.route(/\/events/, (route) =>
      route.fulfill({ contentType: "text/event-stream", body: `retry: 60000\n\n${events.join("")}` })
    )
    await page.route(/\/result$/, (route) =>
      route.fulfill({ status: 202, json: { status: "processing", current_stage: stage, progress } })
    )
  }

const rule = {
  key: "재활용폐기물_무색페트병",
  category: "재활용폐기물",
  name: "무색페트병",
  items: ["생수병", "음료수병"],
  description: ["색이 없는 투명한 페트병"],
  sub_items: {},
  common_steps: ["내용물을 비우고 헹굽니다.", "라벨을 뗍니다.", "눌러서 뚜껑을 닫습니다."],
  detailed_steps: {},
  not_accepted: {},
  icons: [],
  source: "분리배출 지침"
}
const half = {
  ko: "투명 페트병은 따로 모아 배출해요. 라벨이 잘 떨어지지 않으면 칼집을 내서 당기거나 미지근한 물에 잠시 담갔다가 떼어 주세요. 그래도 남은 조각은 ",
  en: "Collect clear PET bottles by themselves. If the label does not come off, make a small cut and pull, or soak the bottle in lukewarm water for a while. What is left of it "
}
/** A job that has found its item and its rule, and writes its answer in the page's language. */
const writing: Step = async (visitor) => {
  const isKorean = (await visitor.page.evaluate("document.documentElement.lang")) === "ko"
  const found = {
    classification: { major_category: "재활용폐기물", middle_category: "무색페트병", minor_category: "생수병" },
    situation_tags: ["내용물 비움", "라벨 붙어 있음"],
    meta: { user_input: question },
    ...(isKorean
      ? {}
      : {
          display: {
            major_category: "Recyclables",
            middle_category: "Clear PET bottles",
            minor_category: "water bottle",
            situation_tags: ["emptied", "label on"]
          }
        })
  }
  await running(
    "answer",
    50,
    event(1, "queued", "started", 0),
    event(2, "vision", "started", 0),
    event(3, "vision", "completed", 25, found),
    event(4, "rule", "started", 25),
    event(5, "rule", "completed", 50, isKorean ? rule : { ...rule, name: "Clear PET bottles" }),
    event(6, "answer", "started", 50),
    event(null, "answer", "delta", 50, { attempt: 1, offset: 0, text: isKorean ? half.ko : half.en })
  )(visitor)
}
const at =
  (path: string): Step =>
  ({ page }) =>
    page.goto(`${system.address}${path}`)

const states: Readonly<Record<string, ReadonlyArray<Step>>> = {
  compose: [],
  photo: [({ page }) => page.getByTestId("photo-input").setInputFiles(photo), shown("preview")],
  "no-photo": [({ page }) => page.getByTestId("submit").click(), shown("picker-error")],
  "signed-out": [failing(401, "UNAUTHORIZED"), asked, shown("sign-in")],
  busy: [failing(503, "MAILBOX_FULL"), asked, shown("submit-error")],
  offline: [
    ({ page }) => page.getByTestId("photo-input").setInputFiles(photo),
    shown("preview"),
    ({ page }) => page.context().setOffline(true),
    shown("offline")
  ],
  sending: [({ page }) => page.route(/\/images\/upload\//, () => undefined), asked, shown("stop-sending")],
  running: [
    running("vision", 0, event(1, "queued", "started", 0), event(2, "vision", "started", 0)),
    openJob,
    shown("progress")
  ],
  retrying: [
    running(
      "vision",
      0,
      event(1, "queued", "started", 0),
      event(2, "vision", "started", 0),
      event(3, "vision", "retrying", 0, { code: "MODEL_UNAVAILABLE", attempt: 2, next_at: Date.now() / 1000 + 3600 })
    ),
    openJob,
    ({ page }) => page.locator('[data-testid="stage-vision"][data-state="retrying"]').waitFor()
  ],
  writing: [writing, openJob, shown("draft")],
  done: [done],
  "done-details": [
    done,
    async ({ page }) => {
      await page.evaluate("document.querySelectorAll('#ending details').forEach((one) => { one.open = true })")
    }
  ],
  failed: [
    ended("failed", { code: "MODEL_REFUSED", message: "refused", stage: "vision", attempts: 1 }),
    openJob,
    shown("failed")
  ],
  cancelled: [ended("cancelled", { code: "CANCELLED" }), openJob, shown("cancelled")],
  gone: [openJob, shown("gone")],
  mine: [done, ({ page }) => page.getByTestId("mine").click(), shown("scan"), shown("collected")],
  unknown: [at("/no/such/page")],
  news: [at("/news"), ({ page }) => page.locator("article, li").first().waitFor()],
  "news-category": [at("/news?category=plastic")],
  "news-wrong": [at("/news?category=nothing")],
  docs: [at("/docs")],
  "mine-empty": [({ page }) => page.getByTestId("mine").click(), shown("no-scans")],
  erasing: [
    ({ page }) => page.getByTestId("mine").click(),
    shown("no-scans"),
    ({ page }) => page.getByTestId("erase").click(),
    shown("erase-yes")
  ],
  erased: [
    ({ page }) => page.getByTestId("mine").click(),
    ({ page }) => page.getByTestId("erase").click(),
    ({ page }) => page.getByTestId("erase-yes").click(),
    shown("erased"),
    async ({ page }) => {
      await page.locator("#erase summary").click()
    }
  ]
}

const wanted = process.argv.slice(2)
const isWanted = (name: string, title: string) =>
  wanted.length === 0 || wanted.some((word) => word === name || title === word || title === `${name}-${word}`)
let pictures = 0
let wrong = 0
try {
  mkdirSync(folder, { recursive: true })
  for (const [name, steps] of Object.entries(states)) {
    for (const width of [360, 1280]) {
      for (const colorScheme of ["light", "dark"] as const) {
        for (const locale of ["ko-KR", "en-GB"]) {
          const title = `${name}-${width}-${colorScheme}-${locale.slice(0, 2)}`
          if (!isWanted(name, title)) continue
          pictures++
          const visitor = await Visitor.visit(browser, system.address, {
            viewport: { width, height: width === 360 ? 740 : 800 },
            colorScheme,
            locale,
            reducedMotion: "reduce",
            extraHTTPHeaders: { "x-user-id": title }
          })
          try {
            for (const step of steps) await step(visitor)
            const found = [...(await visitor.barriers())]
            const overhang = await visitor.overhang()
            if (overhang > 0) found.push(`${overhang} px beyond the edge`)
            wrong += found.length
            for (const one of found) console.log(`${title}: ${one}`)
            await visitor.page.evaluate("scrollTo(0, 0)")
            await visitor.page.screenshot({
              path: join(folder, `${title}.png`),
              animations: "disabled",
              // the description of the API is as long as many windows
              fullPage: name !== "docs"
            })
          } catch (error) {
            wrong++
            console.log(`${title}: ${String(error).slice(0, 200)}`)
          } finally {
            await visitor.close()
          }
        }
      }
    }
  }
  console.log(`${pictures} pictures of ${Object.keys(states).length} states: ${wrong} problems`)
} finally {
  await browser.close()
  await system.stop()
  rmSync(state, { recursive: true, force: true, maxRetries: 5 })
}
