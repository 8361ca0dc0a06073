/** The page in a real browser, in front of the whole system as `npm start` runs it. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, onTestFinished } from "vitest"
import type { Browser, BrowserContextOptions } from "playwright-core"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { ImageMetadata } from "@eco2/actors/protocol"
import { client, field } from "../gateway/ScanClient.ts"
import * as EmbeddedFolder from "../harness/EmbeddedFolder.ts"
import { FakeModelServer } from "../harness/FakeModelServer.ts"
import * as Photos from "../harness/Photos.ts"
import { isLong } from "../harness/Long.ts"
import * as Process from "../harness/Process.ts"
import * as Visitor from "./Visitor.ts"

const chromiumPath = inject("chromiumPath")
const artifacts = fileURLToPath(new URL("../.artifacts/", import.meta.url))
const strings = (value: unknown): ReadonlyArray<string> => (Array.isArray(value) ? value.map(String) : [])
const question = "라벨이 안 떨어지는데 그냥 버려도 되나요?"
/** Served by the fake; `simulated` needs no server. */
const hosted = "gpt-5.2"

describe.skipIf(chromiumPath === "")("The page", () => {
  const folder = mkdtempSync(join(tmpdir(), "eco2 page "))
  let browser: Browser
  let system: Process.Process
  let model: FakeModelServer
  let bottle: Visitor.Photo

  beforeAll(async () => {
    mkdirSync(artifacts, { recursive: true })
    await EmbeddedFolder.place(join(folder, "postgres"))
    model = await FakeModelServer.start()
    ;[browser, system] = await Promise.all([
      Visitor.launch(chromiumPath),
      Process.start("all", {
        ECO2_STATE: folder,
        // no busy machine loses it; a third of it is how soon a cancelled model call is aborted
        LEASE: "15 seconds",
        SIMULATED_MODEL: "true",
        SIMULATED_VISION_MS: "150",
        SIMULATED_ANSWER_MS: "150",
        DEFAULT_MODEL: "simulated",
        OPENAI_MODELS: hosted,
        OPENAI_API_KEY: "sk-fake",
        OPENAI_BASE_URL: `${model.url}/v1`,
        // the same photo is asked about again and again
        MODEL_REUSE: "off",
        INTERNAL_SECRET: "operators' own",
        SIGN_IN_URL: "/sign-in?back={return}",
        GEMINI_MODELS: ""
      })
    ])
    bottle = await Visitor.bottlePhoto(browser, question)
  })

  afterAll(async () => {
    await browser?.close()
    await system?.stop()
    await model?.close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  beforeEach(() => model.reset())

  const visit = async (options: BrowserContextOptions = {}) => {
    const visitor = await Visitor.visit(browser, system.address, options)
    onTestFinished(async (test) => {
      if (test.task.result?.state === "fail") console.log(system.output().split("\n").slice(-60).join("\n"))
      await visitor.closeAfter(test)
    })
    return visitor
  }
  type Visiting = Awaited<ReturnType<typeof visit>>

  /** Makes the fake answer instead of the simulated model. */
  const chooseHosted = ({ page }: Visiting) => page.getByTestId("model-select").selectOption(hosted)
  const jobOf = ({ page }: Visiting) => new URL(page.url()).hash.replace("#job=", "")
  const picture = ({ page }: Visiting, name: string) =>
    page.screenshot({ path: join(artifacts, `page-${name}.png`), fullPage: true })
  /** The bytes of the next photo that leaves the page. */
  const nextPhoto = async ({ page }: Visiting) => {
    const put = await page.waitForRequest((request) => request.method() === "PUT")
    return { bytes: put.postDataBuffer() ?? Buffer.alloc(0), type: put.headers()["content-type"] }
  }
  /** Without whether the character was received: it is known once it has been saved, which may be after the end. */
  const unsaved = (result: unknown): unknown =>
    JSON.parse(JSON.stringify(result), (key, value: unknown) => (key === "received" ? undefined : value))
  const resultShown = async ({ page }: Visiting): Promise<unknown> =>
    unsaved(JSON.parse((await page.getByTestId("result-json").textContent()) ?? "null"))

  it("the page takes a photo to its answer: the bar passes 25, 50, 75, 100, and the stored result is shown", async () => {
    const visitor = await visit()
    const { page } = visitor
    const sent = nextPhoto(visitor)
    await visitor.ask(bottle, question)
    expect(await sent).toEqual({ bytes: bottle.buffer, type: "image/jpeg" })
    await page.getByTestId("answer").waitFor()
    expect(await visitor.progress()).toEqual([0, 25, 50, 75, 100])
    expect(await resultShown(visitor)).toEqual(unsaved((await client(system, null).result(jobOf(visitor))).body))
    for (const part of ["category", "answer", "steps", "character", "simulated"]) {
      expect(await page.getByTestId(part).isVisible(), part).toBe(true)
    }
    expect(await page.getByTestId("category").textContent()).toContain("무색페트병")
    expect(await page.getByTestId("character").textContent()).toContain("페티")
    expect(await page.getByTestId("steps").getByRole("listitem").count()).toBeGreaterThan(1)
    await picture(visitor, "done")
    expect(await visitor.overhang()).toBe(0)
    expect(await visitor.troubles()).toEqual([])
  })

  it("a running job that is opened before the models on offer are known says that it is simulated, once they are", async () => {
    const { page } = await visit()
    const offered = Promise.withResolvers<void>()
    await page.route(/\/scan\/models$/, async (route) => {
      await offered.promise
      await route.fulfill({ json: { models: ["simulated"], default: "simulated" } })
    })
    await page.route(/\/events/, (route) => route.fulfill({ status: 204 }))
    const open = { status: "processing", current_stage: "vision", progress: 0 }
    await page.route(/\/result$/, (route) => route.fulfill({ status: 202, json: open }))
    await page.evaluate("location.hash = 'job=00000000-0000-4000-8000-000000000001'")
    await page.reload()
    await page.getByTestId("progress").waitFor()
    const badge = page.locator("#draft-simulated")
    expect(await badge.isVisible()).toBe(false)
    offered.resolve()
    await badge.waitFor()
  })

  it("the page shrinks a photo of several megabytes before it is sent, and says so", async () => {
    const visitor = await visit()
    const { page } = visitor
    const large = await Visitor.largePhoto(browser)
    expect(large.buffer.length).toBeGreaterThan(3_000_000)
    const sent = nextPhoto(visitor)
    await visitor.ask(large, question)
    const { bytes, type } = await sent
    expect(type).toBe("image/jpeg")
    expect(bytes.length).toBeGreaterThan(1_000)
    expect(bytes.length).toBeLessThan(2_000_100)
    await page.getByTestId("answer").waitFor()
    expect(await page.evaluate(`document.querySelector('[data-testid="preview"]').naturalWidth`)).toBe(1200)
    expect(await visitor.troubles()).toEqual([])
  })

  it.each([
    { claim: "of 700 KB", width: 1200, height: 800, least: 500_000, most: 1_000_000, scale: 1 },
    { claim: "of several megabytes", width: 2560, height: 1600, least: 2_100_000, most: 10_000_000, scale: 0.8 }
  ])(
    "I1 I2 a JPEG $claim leaves the page without position, camera, maker note, thumbnail and film, and the right way up",
    async ({ height, least, most, scale, width }) => {
      const { buffer: plain } = await Visitor.halves(browser, width, height)
      const photo = Buffer.concat([Photos.withSegments(plain, Photos.jpegMetadata(6)), Photos.film])
      expect(photo.length).toBeGreaterThan(least)
      expect(photo.length).toBeLessThan(most)
      expect(Photos.tells(photo)).toContain("GPS position")
      const visitor = await visit()
      const sent = nextPhoto(visitor)
      await visitor.ask({ name: "IMG_4711.jpg", mimeType: "image/jpeg", buffer: photo }, question)
      const { bytes, type } = await sent
      expect(type).toBe("image/jpeg")
      expect(bytes.length).toBeGreaterThan(10_000)
      expect(Photos.tells(bytes)).toEqual([])
      expect(ImageMetadata.stripInPlace(bytes)?.bytes).toBe(bytes)
      // it lies on its side: the red half was on the left, and belongs on top
      const [shown] = await Visitor.shown(browser, [{ bytes, mimeType: "image/jpeg" }])
      expect([shown?.width, shown?.height]).toEqual([height * scale, width * scale])
      const [top, bottom] = [shown?.first ?? [], shown?.last ?? []].map(([red = 0, , blue = 0]) =>
        red > blue ? "red" : "blue"
      )
      expect([top, bottom]).toEqual(["red", "blue"])
      await visitor.page.getByTestId("answer").waitFor()
      if (scale === 1) expect(await visitor.page.locator("#caption").textContent()).toBe(question)
      expect(await visitor.troubles()).toEqual([])
    }
  )

  if (isLong)
    it("I2 a browser shows a picture without its metadata as it shows the whole one", async () => {
      const drawn = Photos.webpParts((await Visitor.webp(browser)).buffer)
      const [, image = Buffer.alloc(0)] = drawn.find(([type]) => type === "VP8L") ?? []
      const webp = (orientation: number) =>
        Photos.webp({
          flags: 0x3c,
          image: Photos.webpChunk("VP8L", image),
          width: 2,
          extra: Photos.webpMetadata(orientation)
        })
      const whole = [
        ...[1, 2, 3, 4, 5, 6, 7, 8].map((orientation) => Photos.phoneJpeg(orientation)),
        ...[1, 6].map((orientation) => Photos.png(Photos.pngMetadata(orientation))),
        ...[1, 6].map(webp),
        Photos.gif([Photos.gifComment, Photos.gifXmp])
      ]
      const stripped = whole.flatMap((file) => ImageMetadata.stripInPlace(Buffer.from(file)) ?? [])
      const before = await Visitor.shown(
        browser,
        stripped.map(({ mimeType }, at) => ({ mimeType, bytes: whole[at] ?? Buffer.alloc(0) }))
      )
      expect(before.filter(({ first, last }) => first.join() === last.join())).toEqual([])
      expect(before.some(({ height, width }) => height > width)).toBe(true)
      expect(await Visitor.shown(browser, stripped)).toEqual(before)
      expect(stripped.map(({ bytes }, at) => bytes.length < (whole[at]?.length ?? 0))).not.toContain(false)
    })

  it("a reload in the middle of a scan resumes it: same job, no call repeated, one end", async () => {
    const reloaded = Promise.withResolvers<void>()
    model.next("answer", { _tag: "Held", until: reloaded.promise })
    const visitor = await visit()
    const { page } = visitor
    await chooseHosted(visitor)
    await visitor.ask(bottle, question)
    await page.locator('[data-testid="stage-answer"][data-state="working"]').waitFor()
    const job = jobOf(visitor)
    await page.reload()
    await page.locator('[data-testid="stage-rule"][data-state="done"]').waitFor()
    await picture(visitor, "running")
    reloaded.resolve()
    await page.getByTestId("answer").waitFor()
    const seen = await visitor.progress()
    expect(seen.at(-1)).toBe(100)
    expect(
      [...seen].sort((a, b) => a - b),
      "the bar never goes back"
    ).toEqual(seen)
    expect(jobOf(visitor)).toBe(job)
    expect(await page.getByTestId("result-json").count()).toBe(1)
    expect(model.calls.map(({ kind }) => kind)).toEqual(["vision", "answer"])
    // after a reload at the end the page shows the same end
    const before = await resultShown(visitor)
    await page.reload()
    await page.getByTestId("answer").waitFor()
    expect(await resultShown(visitor)).toEqual(before)
    expect(await visitor.troubles()).toEqual([])
  })

  it("a cancel on the page is shown there, aborts the model call, and cancels the job", async () => {
    model.next("vision", { _tag: "Hang" })
    const visitor = await visit()
    const { page } = visitor
    await chooseHosted(visitor)
    await visitor.ask(bottle, question)
    await model.waitForCall(1)
    await page.getByTestId("cancel").click()
    await page.getByTestId("cancelled").waitFor()
    await model.waitForAbort(1)
    expect(field((await client(system, null).result(jobOf(visitor))).body, "status")).toBe("cancelled")
    await picture(visitor, "cancelled")
    expect(await visitor.troubles()).toEqual([])
  })

  it("a retry of a stage is shown on the page, and then the answer", async () => {
    model.next("vision", { _tag: "RateLimit", retryAfterSeconds: 1 })
    const visitor = await visit()
    const { page } = visitor
    await chooseHosted(visitor)
    await visitor.ask(bottle, question)
    await page.locator('[data-testid="stage-vision"][data-state="retrying"]').waitFor()
    await picture(visitor, "retrying")
    await page.getByTestId("answer").waitFor()
    expect(model.calls.map(({ kind }) => kind)).toEqual(["vision", "vision", "answer"])
    expect(await visitor.troubles()).toEqual([])
  })

  it("a failure is shown with its reason, and another try sends the same photo", async () => {
    model.next("vision", { _tag: "Refusal" })
    const visitor = await visit()
    const { page } = visitor
    await chooseHosted(visitor)
    await visitor.ask(bottle, question)
    await page.getByTestId("failed").waitFor()
    expect(await page.getByTestId("failed").textContent()).toContain("MODEL_REFUSED")
    const failed = jobOf(visitor)
    expect(await resultShown(visitor)).toEqual(unsaved((await client(system, null).result(failed)).body))
    await picture(visitor, "failed")
    await page.getByTestId("retry").click()
    await page.getByTestId("answer").waitFor()
    expect(jobOf(visitor)).not.toBe(failed)
    expect(new Set(model.calls.filter(({ hasImage }) => hasImage).map(({ imageBytes }) => imageBytes))).toEqual(
      new Set([bottle.buffer.length])
    )
    expect(await visitor.troubles()).toEqual([])
  })

  it("a submit without a photo says what is missing, and sends nothing", async () => {
    const visitor = await visit()
    const { page } = visitor
    await page.getByTestId("submit").click()
    await page.getByTestId("picker-error").waitFor()
    expect(page.url()).not.toContain("#job=")
    expect(await visitor.troubles()).toEqual([])
  })

  if (isLong)
    it.each(["ko-KR", "en-GB"])("the header is one line at 360 pixels, in %s", async (locale) => {
      const { page } = await visit({ viewport: { width: 360, height: 740 }, locale })
      const lines = await page.evaluate(
        "new Set([...document.querySelectorAll('.top .brand, .top .button')].map((one) => Math.round((one.getBoundingClientRect().top + one.getBoundingClientRect().bottom) / 2))).size"
      )
      expect(lines).toBe(1)
    })

  if (isLong)
    it("the page fits a phone: no sideways scroll before, during and after a scan", async () => {
      const seen = Promise.withResolvers<void>()
      model.next("vision", { _tag: "Held", until: seen.promise })
      const visitor = await visit({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true })
      const { page } = visitor
      expect(await visitor.overhang()).toBe(0)
      await chooseHosted(visitor)
      await visitor.ask(bottle, question)
      await page.locator('[data-testid="stage-vision"][data-state="working"]').waitFor()
      expect(await visitor.overhang()).toBe(0)
      seen.resolve()
      await page.getByTestId("answer").waitFor()
      await page.locator("details").first().locator("summary").click()
      expect(await visitor.overhang()).toBe(0)
      await picture(visitor, "phone")
      expect(await visitor.troubles()).toEqual([])
    })

  it("the page is in Korean or English, switched at any time and remembered", async () => {
    const visitor = await visit()
    const { page } = visitor
    const title = page.getByRole("heading", { level: 1 })
    expect(await title.textContent()).toBe("이건 어떻게 버리지?")
    await page.getByTestId("language").click()
    // its words are loaded first
    await expect.poll(() => title.textContent()).toBe("How do I throw this away?")
    expect(await page.locator("html").getAttribute("lang")).toBe("en")
    const sent = page.waitForRequest((request) => request.url().endsWith("/api/v1/scan") && request.method() === "POST")
    await visitor.ask(bottle, question)
    expect(field((await sent).postDataJSON(), "language")).toBe("en")
    expect(await page.getByTestId("answer").textContent()).toContain("[Simulated answer]")
    await page.reload()
    await page.getByTestId("answer").waitFor()
    expect(await page.getByTestId("again").textContent()).toBe("Scan another")
    await page.getByTestId("language").click()
    await expect.poll(() => page.getByTestId("again").textContent()).toBe("다른 사진 보내기")
    expect(await visitor.troubles()).toEqual([])
  })

  if (isLong)
    it("every state has one h1, a title that tells it, and nothing that axe finds wrong, on a small phone and in the dark", async () => {
      const seen = Promise.withResolvers<void>()
      model.next("vision", { _tag: "Held", until: seen.promise })
      model.next("vision", { _tag: "Refusal" })
      const visitor = await visit({
        viewport: { width: 320, height: 568 },
        isMobile: true,
        hasTouch: true,
        colorScheme: "dark"
      })
      const { page } = visitor
      const state = async (title: RegExp) => {
        await expect.poll(() => page.title()).toMatch(title)
        expect(
          strings(
            await page.evaluate(
              "[...document.querySelectorAll('h1')].filter((h) => h.offsetParent !== null).map((h) => h.id)"
            )
          )
        ).toHaveLength(1)
        expect(await visitor.barriers()).toEqual([])
        expect(await visitor.overhang()).toBe(0)
      }
      await chooseHosted(visitor)
      await state(/^Eco²$/)
      await page.getByTestId("photo-input").setInputFiles(bottle)
      await page.getByTestId("preview").waitFor()
      await state(/^Eco²$/)
      const button = await page.getByTestId("submit").boundingBox()
      expect((button?.y ?? 0) + (button?.height ?? 0), "the button is on the first screen").toBeLessThanOrEqual(568)
      await page.getByTestId("submit").click()
      await page.locator('[data-testid="stage-vision"][data-state="working"]').waitFor()
      await state(/^0% · .+ · Eco²$/)
      seen.resolve()
      await page.getByTestId("answer").waitFor()
      await state(/^결과가 나왔어요 · Eco²$/)
      await page.getByTestId("again").click()
      await visitor.ask(bottle, question)
      await page.getByTestId("failed").waitFor()
      await state(/^끝내지 못했어요 · Eco²$/)
      expect(await page.getByTestId("failed").locator("p").first().textContent()).not.toContain("MODEL_REFUSED")
      await page.goto(`${system.address}/nowhere`)
      await state(/^없는 페이지 · Eco²$/)
    })

  if (isLong)
    it("text twice as large causes no sideways scroll at 360 pixels, in either language", async () => {
      for (const locale of ["ko-KR", "en-GB"]) {
        const visitor = await visit({ viewport: { width: 360, height: 640 }, locale, bypassCSP: true })
        await visitor.page.addStyleTag({ content: "html { font-size: 200% }" })
        expect([locale, await visitor.overhang()]).toEqual([locale, 0])
        model.next("vision", { _tag: "Hang" })
        await chooseHosted(visitor)
        await visitor.ask(bottle, question)
        await visitor.page.locator('[data-testid="stage-vision"][data-state="working"]').waitFor()
        expect([locale, await visitor.overhang()]).toEqual([locale, 0])
        await visitor.page.getByTestId("cancel").click()
        await visitor.page.getByTestId("cancelled").waitFor()
      }
    })

  it("a problem moves the focus to its own field, and the keyboard's focus on the hidden file input is seen", async () => {
    const visitor = await visit()
    const { page } = visitor
    const focused = async () => String(await page.evaluate("document.activeElement.id"))
    const outline = async (selector: string) =>
      String(await page.evaluate(`getComputedStyle(document.querySelector('${selector}')).outlineStyle`))
    await page.getByTestId("submit").click()
    await page.getByTestId("picker-error").waitFor()
    expect(await focused()).toBe("photo-input")
    await page.getByTestId("url-input").fill("ftp://a.example/b.jpg")
    await page.getByTestId("submit").click()
    await page.getByTestId("url-error").waitFor()
    expect(await focused()).toBe("url-input")
    expect(await page.getByTestId("url-input").getAttribute("aria-invalid")).toBe("true")
    await page.getByTestId("photo-input").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Shift+Tab")
    expect(await outline("#drop")).toBe("solid")
    await page.getByTestId("photo-input").setInputFiles(bottle)
    await page.getByTestId("preview").waitFor()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Shift+Tab")
    expect(await outline(".print label")).toBe("solid")
    await page.route("**/api/v1/scan", (route) =>
      route.fulfill({ status: 400, json: { detail: "no such model", code: "UNSUPPORTED_MODEL" } })
    )
    await page.getByTestId("submit").click()
    await page.getByTestId("model-error").waitFor()
    expect(await focused()).toBe("model")
  })

  it("a user who is not signed in gets a link to sign in that comes back to this page", async () => {
    const { page } = await visit()
    await page.route("**/api/v1/scan", (route) =>
      route.fulfill({ status: 401, json: { detail: "no token", code: "UNAUTHORIZED" } })
    )
    await page.getByTestId("photo-input").setInputFiles(bottle)
    await page.getByTestId("submit").click()
    expect(await page.getByTestId("sign-in").getByRole("link").getAttribute("href")).toBe(
      `/sign-in?back=${encodeURIComponent(page.url())}`
    )
  })

  it("an upload shows how much was sent and can be stopped; sent again it is the same attempt", async () => {
    const visitor = await visit()
    const { page } = visitor
    const keys: Array<string | undefined> = []
    const held = Promise.withResolvers<void>()
    // before the first press no models are known, and before the second they are
    const known = Promise.withResolvers<void>()
    await page.route(/\/scan\/models$/, async (route) => {
      await known.promise
      await route.continue()
    })
    await page.reload()
    await page.route("**/api/v1/scan", async (route) => {
      keys.push(route.request().headers()["x-idempotency-key"])
      if (keys.length === 1) await held.promise
      await route.continue().catch(() => undefined)
    })
    await visitor.ask(bottle, question)
    await page.getByTestId("stop-sending").click()
    await page.getByTestId("sending").waitFor({ state: "hidden" })
    expect(await page.getByTestId("preview").isVisible()).toBe(true)
    held.resolve()
    known.resolve()
    await page.getByTestId("model-select").waitFor()
    await page.getByTestId("submit").click()
    await page.getByTestId("answer").waitFor()
    expect(keys).toHaveLength(2)
    expect(new Set(keys).size).toBe(1)
  })

  it("a sending that is stopped while the photo's place is asked for sends no byte of the photo", async () => {
    const visitor = await visit()
    const { page } = visitor
    const sent: Array<string> = []
    page.on("request", (request) => {
      if (request.method() === "PUT") sent.push(request.url())
    })
    const held = Promise.withResolvers<void>()
    await page.route("**/api/v1/images/scan", async (route) => {
      await held.promise
      await route.continue()
    })
    await visitor.ask(bottle, question)
    await page.getByTestId("stop-sending").click()
    held.resolve()
    await page.getByTestId("sending").waitFor({ state: "hidden" })
    expect(sent).toEqual([])
    await page.getByTestId("submit").click()
    await page.getByTestId("answer").waitFor()
    expect(sent).toHaveLength(1)
  })

  if (isLong)
    it("another question about a photo sends the photo no more, also after a reload, as long as the service has it", async () => {
      const visitor = await visit()
      const { page } = visitor
      let photos = 0
      page.on("request", (request) => {
        if (request.method() === "PUT") photos++
      })
      await visitor.ask(bottle, question)
      await page.getByTestId("answer").waitFor()
      const ask = async () => {
        const before = jobOf(visitor)
        await page.getByTestId("another").click()
        expect(await page.evaluate("document.activeElement.id")).toBe("question")
        expect(await page.getByTestId("preview").isVisible()).toBe(true)
        await page.getByTestId("question-input").fill("뚜껑은요?")
        await page.getByTestId("submit").click()
        await page.getByTestId("answer").waitFor()
        await expect.poll(() => jobOf(visitor)).not.toBe(before)
        await page.getByTestId("answer").waitFor()
      }
      await ask()
      await page.reload()
      await page.getByTestId("answer").waitFor()
      await ask()
      expect(photos).toBe(1)
      // the service no longer has it
      await page.reload()
      await page.getByTestId("answer").waitFor()
      await page.getByTestId("another").click()
      await page.route("**/api/v1/scan", (route) =>
        route.fulfill({
          status: 422,
          json: {
            detail: [
              { loc: ["body", "image_url"], msg: "nothing was uploaded to this address", type: "value_error.url" }
            ]
          }
        })
      )
      await page.getByTestId("submit").click()
      await page.getByTestId("picker-error").waitFor()
      expect(await page.evaluate("document.activeElement.id")).toBe("photo-input")
    })

  if (isLong)
    it("a service that takes no photos by address gets the photo in the request", async () => {
      const visitor = await visit()
      const { page } = visitor
      await page.route("**/api/v1/images/scan", (route) =>
        route.fulfill({ status: 404, json: { detail: "not found", code: "NOT_FOUND" } })
      )
      const sent = page.waitForRequest(
        (request) => request.url().endsWith("/api/v1/scan") && request.method() === "POST"
      )
      await visitor.ask(bottle, question)
      expect(field((await sent).postDataJSON(), "image_url")).toBe(
        `data:image/jpeg;base64,${bottle.buffer.toString("base64")}`
      )
      await page.getByTestId("answer").waitFor()
    })

  it("a page without a connection says so and keeps the photo, and sends it when it is connected again", async () => {
    const visitor = await visit()
    const { page } = visitor
    await page.getByTestId("photo-input").setInputFiles(bottle)
    await page.getByTestId("preview").waitFor()
    await page.context().setOffline(true)
    await page.getByTestId("offline").waitFor()
    await page.getByTestId("submit").click()
    await page.getByTestId("submit-error").waitFor()
    expect(await page.getByTestId("preview").isVisible()).toBe(true)
    await page.context().setOffline(false)
    await page.getByTestId("offline").waitFor({ state: "hidden" })
    await page.getByTestId("submit").click()
    await page.getByTestId("answer").waitFor()
  })

  it("a service whose model only practises says so before the first scan, and no longer when another model is chosen", async () => {
    const { page } = await visit()
    await page.getByTestId("practice").waitFor()
    await page.getByTestId("model-select").selectOption(hosted)
    await page.getByTestId("practice").waitFor({ state: "hidden" })
  })

  if (isLong)
    it("a scan of which the service keeps the answer alone opens in the list, and the list says when older ones are missing", async () => {
      const { barriers, overhang, page } = await visit({ viewport: { width: 320, height: 640 } })
      const kept = {
        job_id: "00000000-0000-4000-8000-000000000001",
        status: "completed",
        created_at: "2026-01-02T03:04:05.000Z",
        ended_at: "2026-01-02T03:04:10.000Z",
        image_url: null,
        user_input: null,
        classification: { major_category: "재활용폐기물", middle_category: "무색페트병", minor_category: null },
        user_answer: "라벨을 떼고, 헹구고, 눌러서, 뚜껑을 닫아 투명페트병 수거함에 넣어 주세요. ".repeat(3),
        character: "페티",
        simulated: false,
        result_url: null
      }
      await page.route(/\/api\/v1\/scan(\?|$)/, (route) =>
        route.fulfill({ json: { scans: [kept], next_cursor: null, has_more: false, complete: false } })
      )
      await page.getByTestId("mine").click()
      const answer = page.getByTestId("kept-scan").locator(".scan-answer")
      await answer.waitFor()
      await page.locator("#mine-incomplete").waitFor()
      const closed = (await answer.boundingBox())?.height ?? 0
      await page.getByTestId("kept-scan").locator("summary").press("Enter")
      expect((await answer.boundingBox())?.height).toBeGreaterThan(closed * 2)
      expect([await barriers(), await overhang()]).toEqual([[], 0])
    })

  it("a user says that an answer is wrong by keyboard alone, is told that it was sent, and its reader finds it", async () => {
    const visitor = await visit({ extraHTTPHeaders: { "x-user-id": "critic" }, locale: "en-GB" })
    const { page } = visitor
    await visitor.ask(bottle, question)
    await page.getByTestId("answer").waitFor()
    const job = jobOf(visitor)
    await page.getByTestId("feedback").locator("summary").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    expect(await page.evaluate("document.activeElement.id")).toBe("feedback-category")
    await page.keyboard.type("Paper cartons")
    await page.keyboard.press("Tab")
    await page.keyboard.type("It was a milk carton.")
    expect(await visitor.barriers()).toEqual([])
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.getByTestId("feedback-done").waitFor()
    expect(await page.evaluate("document.activeElement.dataset.testid")).toBe("feedback-done")
    expect(await page.locator("#announce").textContent()).toContain("Thank you")
    const list = await fetch(`${system.address}/api/v1/internal/ops/feedback`, {
      headers: { "x-internal-secret": "operators' own" }
    })
    expect(await list.json()).toMatchObject({
      feedback: [{ job_id: job, category: "종이팩", comment: "It was a milk carton.", middle_category: "무색페트병" }],
      next_cursor: null
    })
    expect(await visitor.troubles()).toEqual([])
  })

  it("the user erases all that the service has of them, after a question, and learns what is left", async () => {
    const visitor = await visit({ extraHTTPHeaders: { "x-user-id": "eraser" } })
    const { page } = visitor
    await visitor.ask(bottle, question)
    await page.getByTestId("answer").waitFor()
    const job = jobOf(visitor)
    await page.getByTestId("mine").click()
    await page.getByTestId("scan").waitFor()
    await page.getByTestId("erase").click()
    expect(await page.evaluate("document.activeElement.id")).toBe("erase-heading")
    await page.getByTestId("erase-no").click()
    await page.getByTestId("scan").waitFor()
    await page.getByTestId("erase").click()
    expect(await visitor.barriers()).toEqual([])
    await page.getByTestId("erase-yes").click()
    await page.getByTestId("erased").waitFor()
    await page.getByTestId("no-scans").waitFor()
    expect(await page.locator("#erase li").count()).toBe(8)
    expect(await page.evaluate("localStorage.getItem('eco2.thumbnails')")).toBeNull()
    const own = client(system, "eraser")
    expect((await own.result(job)).status).toBe(404)
    expect(field((await own.get("/api/v1/scan")).body, "scans")).toEqual([])
    expect([await visitor.barriers(), await visitor.troubles()]).toEqual([[], []])
  })

  it("the user's own scans and characters are listed; the first of a kind is new, the second is not", async () => {
    const visitor = await visit({ extraHTTPHeaders: { "x-user-id": "lister" } })
    const { page } = visitor
    const eyebrow = page.getByTestId("character").locator(".eyebrow")
    await page.getByTestId("mine").click()
    await page.getByTestId("no-scans").waitFor()
    await page.getByTestId("home").click()
    await visitor.ask(bottle, question)
    await page.getByTestId("answer").waitFor()
    await expect.poll(() => eyebrow.textContent()).toBe("새로 만난 캐릭터")
    await page.getByTestId("another").click()
    expect(await page.getByTestId("preview").isVisible()).toBe(true)
    await page.getByTestId("question-input").fill(question)
    await page.getByTestId("submit").click()
    await page.getByTestId("answer").waitFor()
    await expect.poll(() => eyebrow.textContent()).toBe("다시 만난 캐릭터")
    // rewards are saved in batches
    const characters = () => client(system, "lister").get("/api/v1/users/me/characters")
    await expect.poll(async () => JSON.stringify((await characters()).body), { timeout: 30_000 }).toContain("페티")
    await page.getByTestId("mine").click()
    await page.getByTestId("scan").nth(1).waitFor()
    expect(await page.getByTestId("scan").count()).toBe(2)
    expect(await page.getByTestId("scan").first().locator("img").getAttribute("src")).toMatch(/^data:image\/jpeg/)
    await page.getByTestId("owned").filter({ hasText: "페티" }).waitFor()
    expect(await page.getByTestId("missing").count()).toBeGreaterThan(10)
    expect(await page.title()).toBe("내 기록 · Eco²")
    expect(await visitor.barriers()).toEqual([])
    await page.getByTestId("scan").first().click()
    await page.getByTestId("answer").waitFor()
    expect(await visitor.troubles()).toEqual([])
  })

  it("an answer is shared as text with its steps, and the example photo can be tried", async () => {
    const visitor = await visit({ permissions: ["clipboard-read", "clipboard-write"] })
    const { page } = visitor
    await page.evaluate("delete Navigator.prototype.share")
    await page.getByTestId("example").click()
    await page.getByTestId("preview").waitFor()
    await page.getByTestId("submit").click()
    await page.getByTestId("answer").waitFor()
    await page.getByTestId("share").click()
    await expect.poll(() => page.getByTestId("share").textContent()).toContain("복사했어요")
    const text = String(await page.evaluate("navigator.clipboard.readText()"))
    expect(text).toContain(String(await page.getByTestId("answer").textContent()))
    expect(text).toContain("1. ")
  })
})
