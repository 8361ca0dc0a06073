/**
 * A browser plays the former front end's calls from a page of ours, and what they bring about is on our pages: upload, scan,
 * result, characters, news.
 */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import type { Browser } from "playwright-core"
import { Schema } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { until } from "../gateway/Serving.ts"
import * as EmbeddedFolder from "../harness/EmbeddedFolder.ts"
import * as FormerFrontEnd from "../harness/FormerFrontEnd.ts"
import * as Process from "../harness/Process.ts"
import * as Visitor from "./Visitor.ts"

const chromiumPath = inject("chromiumPath")
const question = "라벨이 안 떨어지는데 그냥 버려도 되나요?"

/** Runs in the page: what the front end does from the photo to the result, and what it heard on the way. */
const played = `async ({ calls, photo, question, type }) => {
  const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0))
  const json = async ({ method, path }, body) =>
    (await fetch(path, { method, credentials: "include", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })).json()
  const upload = await json(calls.upload, { filename: "image.jpg", content_type: type })
  const put = await fetch(upload.upload_url, { method: "PUT", headers: { "content-type": type }, body: new File([bytes], "image.jpg", { type }) })
  const submitted = await json(calls.submit, { image_url: upload.cdn_url, user_input: question })
  const heard = await new Promise((resolve) => {
    const seen = []
    const source = new EventSource(submitted.stream_url, { withCredentials: true })
    for (const stage of ["queued", "vision", "rule", "answer", "reward", "done"]) {
      source.addEventListener(stage, ({ data }) => {
        const event = JSON.parse(data)
        if (event.status === "completed") seen.push(event.stage)
        if (event.stage === "done") {
          source.close()
          resolve(seen)
        }
      })
    }
  })
  const id = submitted.result_url.split("/").at(-2)
  const result = await (await fetch(calls.result.path.replace("{job_id}", id), { credentials: "include" })).json()
  return { put: put.status, heard, id, result, picture: upload.cdn_url }
}`
const Played = Schema.Struct({
  put: Schema.Literal(200),
  heard: Schema.Array(Schema.String),
  id: Schema.String,
  result: FormerFrontEnd.Result,
  picture: Schema.String
})

describe.skipIf(chromiumPath === "")("the former front end's calls in a browser", () => {
  const folder = mkdtempSync(join(tmpdir(), "eco2 former page "))
  let browser: Browser
  let system: Process.Process
  beforeAll(async () => {
    await EmbeddedFolder.place(join(folder, "postgres"))
    ;[browser, system] = await Promise.all([
      Visitor.launch(chromiumPath),
      Process.start("all", {
        ECO2_STATE: folder,
        SIMULATED_MODEL: "true",
        SIMULATED_VISION_MS: "50",
        SIMULATED_ANSWER_MS: "50",
        OPENAI_MODELS: "",
        GEMINI_MODELS: ""
      })
    ])
    await until(
      async () => (await fetch(`${system.address}/readyz`)).status,
      (status) => status === 200,
      60_000
    )
  })
  afterAll(async () => {
    await browser?.close()
    await system?.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  it("a photo that was put by its address is on our pages: its picture, its result, its character, and the news", async () => {
    const bottle = await Visitor.bottlePhoto(browser, question)
    const visitor = await Visitor.visit(browser, system.address, {})
    try {
      const { page } = visitor
      const given = {
        calls: FormerFrontEnd.calls,
        photo: bottle.buffer.toString("base64"),
        question,
        type: bottle.mimeType
      }
      const { heard, id, picture, result } = Schema.decodeUnknownSync(Played)(
        await page.evaluate(`(${played})(${JSON.stringify(given)})`)
      )
      expect(heard).toEqual(["vision", "rule", "answer", "reward", "done"])
      expect(result.reward?.name).toBe("페티")

      await page.goto(`${system.address}/#job=${id}`)
      await page.reload()
      await page.getByTestId("answer").waitFor()
      expect(await page.getByTestId("category").textContent()).toContain("무색페트병")
      expect(await page.getByTestId("steps").getByRole("listitem").count()).toBe(
        Object.keys(result.pipeline_result.final_answer.disposal_steps).length
      )
      expect(await page.getByTestId("character").textContent()).toContain("페티")

      const own = await until(
        () => page.evaluate(`fetch("${FormerFrontEnd.calls.characters.path}").then((answer) => answer.json())`),
        (all) => Schema.is(FormerFrontEnd.OwnCharacters)(all) && all.length > 0,
        60_000
      )
      expect(Schema.decodeUnknownSync(FormerFrontEnd.OwnCharacters)(own).map(({ name }) => name)).toEqual(["페티"])
      const width = await page.evaluate(
        `new Promise((resolve) => { const image = new Image(); image.onload = () => resolve(image.naturalWidth); image.onerror = () => resolve(0); image.src = ${JSON.stringify(picture)} })`
      )
      expect(width).toBeGreaterThan(0)
      expect(await visitor.troubles()).toEqual([])

      const news: unknown = await page.evaluate(
        `fetch("${FormerFrontEnd.calls.news.path}").then((answer) => answer.json())`
      )
      const { articles } = Schema.decodeUnknownSync(FormerFrontEnd.News)(news)
      await page.goto(`${system.address}/news`)
      const first = page.getByTestId("article").first()
      expect(await first.getAttribute("data-id")).toBe(articles[0]?.id)
      expect(await visitor.troubles()).toEqual([])
    } finally {
      await visitor.close()
    }
  })
})
