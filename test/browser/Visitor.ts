/**
 * Visitor: a person with a browser on the page. It records what must not happen (errors, content that the policy blocks) and
 * the values of the progress bar, and has photos to send. Used by the browser tests and by the script that makes the
 * documentation's pictures.
 */
import { chromium } from "playwright-core"
import type { Browser, BrowserContextOptions, Page, Request } from "playwright-core"
import { Duration, Effect, Schema } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as SimulatedModel from "../../packages/actors/src/model/simulated/SimulatedModel.ts"

export const launch = (executablePath: string): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync"
    ]
  })

/** Runs in the page before its own scripts; `visited` lasts as long as the document. */
const ears = `
  globalThis.visited = { progress: [], violations: [] }
  document.addEventListener("securitypolicyviolation", (event) => {
    visited.violations.push(event.violatedDirective + " " + event.blockedURI)
  })
  document.addEventListener("DOMContentLoaded", () => {
    const bar = document.querySelector('[data-testid="progress"]')
    if (bar === null) return
    const note = () => {
      const now = Number(bar.getAttribute("aria-valuenow"))
      if (visited.progress.at(-1) !== now) visited.progress.push(now)
    }
    new MutationObserver(note).observe(bar, { attributes: true, attributeFilter: ["aria-valuenow"] })
  })
`

export interface Visitor {
  readonly page: Page
  /** Every value the bar has shown since the page was loaded. */
  readonly progress: () => Promise<ReadonlyArray<number>>
  /** Console errors, uncaught exceptions and blocked content, of all loads. */
  readonly troubles: () => Promise<ReadonlyArray<string>>
  /** What axe finds wrong with the page as it is: the rule, and the elements. */
  readonly barriers: () => Promise<ReadonlyArray<string>>
  /** Pixels of content beyond the window's right edge. */
  readonly overhang: () => Promise<number>
  /** Chooses a photo and submits; the page begins to send. */
  readonly ask: (photo: Photo, question: string) => Promise<void>
  readonly close: () => Promise<void>
  /** Closes after a test. If the test failed, it first prints the page's requests with their answers, and the page's text. */
  readonly closeAfter: (test: {
    readonly task: { readonly result?: { readonly state: string } | undefined }
  }) => Promise<void>
}

export interface Photo {
  readonly name: string
  readonly mimeType: string
  readonly buffer: Buffer
}

let axeScript: string | undefined
const axe = () => (axeScript ??= readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8"))
const Violations = Schema.Struct({
  violations: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      nodes: Schema.Array(Schema.Struct({ target: Schema.Array(Schema.String) }))
    })
  )
})

const strings = (value: unknown): ReadonlyArray<string> => (Array.isArray(value) ? value.map(String) : [])

/** Opens the page at `address` in a profile of its own. */
export const visit = async (
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {}
): Promise<Visitor> => {
  const context = await browser.newContext({ locale: "ko-KR", viewport: { width: 1280, height: 900 }, ...options })
  const page = await context.newPage()
  const heard: Array<string> = []
  page.on("pageerror", (error) => heard.push(`uncaught: ${error.message}`))
  page.on("console", (message) => {
    if (message.type() === "error") heard.push(`console: ${message.text()}`)
  })
  const since = performance.now()
  const answers: Array<string> = []
  const note = (what: string, request: Request) =>
    answers.push(
      `${((performance.now() - since) / 1_000).toFixed(1)} s ${what} ${request.method()} ${request.url().slice(0, 200)}`
    )
  page.on("response", (response) => note(String(response.status()), response.request()))
  page.on("requestfailed", (request) => note(request.failure()?.errorText ?? "failed", request))
  await page.addInitScript(ears)
  await page.goto(address)
  const close = () => context.close()
  return {
    page,
    progress: async () => strings(await page.evaluate("visited.progress")).map(Number),
    troubles: async () => [...heard, ...strings(await page.evaluate("visited.violations"))],
    barriers: async () => {
      await page.evaluate(axe())
      return Schema.decodeUnknownSync(Violations)(
        await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
      ).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`)
    },
    overhang: async () => Number(await page.evaluate("document.documentElement.scrollWidth - innerWidth")),
    ask: async (photo, question) => {
      await page.getByTestId("photo-input").setInputFiles(photo)
      await page.getByTestId("question-input").fill(question)
      await page.getByTestId("submit").click()
    },
    close,
    closeAfter: async ({ task }) => {
      if (task.result?.state === "fail" && !page.isClosed()) {
        const said = await page.locator("body").innerText({ timeout: 5_000 }).catch(String)
        console.log([`at ${page.url()}`, ...answers.slice(-40), ...heard, said].join("\n"))
      }
      await close()
    }
  }
}

const photoFrom = (dataUrl: string, name: string): Photo => {
  const [, mimeType = "", base64 = ""] = /^data:([^;]+);base64,(.+)$/.exec(dataUrl) ?? []
  return { name, mimeType, buffer: Buffer.from(base64, "base64") }
}

/** What the simulated model answers: it depends on the bytes alone, so the right bytes make it see a bottle. */
const seen = (photo: Photo, userInput: string) => {
  const { classify } = SimulatedModel.make({
    visionLatency: Duration.zero,
    answerLatency: Duration.zero,
    failureRate: 0
  })
  const image = { _tag: "Bytes", mimeType: photo.mimeType, bytes: photo.buffer } as const
  return Effect.runPromise(classify({ model: "simulated", image, userInput }))
}

const seeds = 900

/**
 * A photo of a clear bottle that the simulated model classifies as one when asked `question`: the first that `suits` by minor
 * category and situation tags.
 */
export const bottlePhoto = async (
  browser: Browser,
  question: string,
  suits: (minor: string, tags: ReadonlyArray<string>) => boolean = () => true
): Promise<Photo> => {
  const page = await browser.newPage()
  try {
    await page.addScriptTag({ path: fileURLToPath(new URL("./bottle.js", import.meta.url)) })
    for (let seed = 0; seed < seeds; seed++) {
      const photo = photoFrom(String(await page.evaluate(`drawBottle(${seed})`)), "bottle.jpg")
      const { classification, situationTags } = await seen(photo, question)
      const { middle_category, minor_category } = classification
      if (middle_category === "무색페트병" && suits(minor_category ?? "", situationTags)) return photo
    }
  } finally {
    await page.close()
  }
  throw new Error("no bottle that the simulated model takes for one")
}

/** Runs an expression of bottle.js in a page of its own. */
const drawn = async (browser: Browser, expression: string): Promise<unknown> => {
  const page = await browser.newPage()
  try {
    await page.addScriptTag({ path: fileURLToPath(new URL("./bottle.js", import.meta.url)) })
    return await page.evaluate(expression)
  } finally {
    await page.close()
  }
}

/** A photo of some megabytes. */
export const largePhoto = async (browser: Browser): Promise<Photo> =>
  photoFrom(String(await drawn(browser, "drawNoise(1200)")), "large.png")

/** A JPEG as a camera makes it, without what cameras write beside it: the left half red, the right half blue. */
export const halves = async (browser: Browser, width: number, height: number): Promise<Photo> =>
  photoFrom(String(await drawn(browser, `drawHalves(${width}, ${height})`)), "halves.jpg")

/** A WebP of two pixels. */
export const webp = async (browser: Browser): Promise<Photo> =>
  photoFrom(String(await drawn(browser, "drawWebp()")), "two.webp")

const Pixel = Schema.Array(Schema.Int)
const Shown = Schema.Struct({ width: Schema.Int, height: Schema.Int, first: Pixel, last: Pixel, hash: Schema.Int })

export interface Picture {
  readonly mimeType: string
  readonly bytes: Uint8Array
}

/** What a browser shows of each picture: its size, its first and its last pixel (red, green, blue, alpha), and a hash of all. */
export const shown = async (browser: Browser, pictures: ReadonlyArray<Picture>) => {
  const urls = pictures.map(({ bytes, mimeType }) => `data:${mimeType};base64,${Buffer.from(bytes).toString("base64")}`)
  const answer = await drawn(browser, `Promise.all(${JSON.stringify(urls)}.map(shown))`)
  return Schema.decodeUnknownSync(Schema.Array(Shown))(answer)
}
