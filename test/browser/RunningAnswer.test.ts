/** The answer on the page while it is written, in a real browser; the test's own worker says what is written when. */
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from "vitest"
import type { Browser, BrowserContextOptions } from "playwright-core"
import { FaultProxy, RedisServer } from "@eco2/core/testing"
import * as HandWorker from "../gateway/HandWorker.ts"
import { client, photo } from "../gateway/ScanClient.ts"
import type { Client as ScanClient } from "../gateway/ScanClient.ts"
import { simulatedOnly, start, until } from "../gateway/Serving.ts"
import type { Serving } from "../gateway/Serving.ts"
import * as Visitor from "./Visitor.ts"

const chromiumPath = inject("chromiumPath")

const written = "신문지는 물기에 젖지 않게 모아 묶어서 내놓으면 됩니다. "
const whole = `${written}비닐 코팅된 전단지는 종이가 아니니 따로 빼 주세요.`
const answer = {
  answer: { disposal_steps: { 단계1: "펴서 묶습니다." }, insufficiencies: [], user_answer: whole },
  use: null
}
const rule = {
  key: "재활용폐기물_종이",
  category: "재활용폐기물",
  name: "종이",
  items: ["신문지"],
  description: ["마른 종이"],
  sub_items: {},
  common_steps: ["물기를 피합니다."],
  detailed_steps: {},
  not_accepted: {},
  icons: [],
  source: "분리배출 지침"
}

/** Records every text that screen readers are told, and every change of what has an audible place. */
const ears = `
  globalThis.told = []
  document.addEventListener("DOMContentLoaded", () => {
    const announcer = document.getElementById("announce")
    new MutationObserver(() => told.push(announcer.textContent)).observe(announcer, { childList: true, characterData: true, subtree: true })
  })
`

describe.skipIf(chromiumPath === "")("The page of a running job", () => {
  let browser: Browser
  let redis: RedisServer.RedisServer
  let gateway: Serving
  let hand: HandWorker.HandWorker
  let ann: ScanClient

  beforeAll(async () => {
    redis = await RedisServer.start()
    gateway = await start("gateway", { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: redis.url })
    hand = await HandWorker.start(redis.url)
    ann = client(gateway)
    browser = await Visitor.launch(chromiumPath)
  })
  afterAll(async () => {
    await browser?.close()
    await gateway.stop()
    await hand.stop()
    await redis.stop()
  })

  const prepare = async ({ page }: Visitor.Visitor) => {
    await page.addInitScript(ears)
    // no database here: the gateway has no characters to tell of
    await page.route("**/api/v1/users/me/characters", (route) => route.fulfill({ json: [] }))
  }
  const open = async (id: string, options: BrowserContextOptions = {}, address = gateway.address) => {
    const visitor = await Visitor.visit(browser, "about:blank", {
      extraHTTPHeaders: { "x-user-id": "ann" },
      ...options
    })
    onTestFinished(visitor.closeAfter)
    await prepare(visitor)
    await visitor.page.goto(`${address}/#job=${id}`)
    return visitor
  }
  type Visiting = Awaited<ReturnType<typeof open>>

  /** A job whose answer is next; `rule` as given. */
  const ruled = async (found: unknown = rule) => {
    const id = await ann.accepted()
    await hand.work(id, 1)
    await hand.commit(await hand.begin(id), found)
    return id
  }
  /** A page that follows a job whose answer is being written. */
  const writing = async (options?: BrowserContextOptions, address?: string) => {
    const id = await ruled()
    const visitor = await open(id, options, address)
    const holding = await hand.begin(id)
    await visitor.page.locator('[data-testid="stage-answer"][data-state="working"]').waitFor()
    return { id, visitor, holding }
  }
  const shows = (visitor: Visiting, text: string) =>
    until(
      () => shown(visitor),
      (seen) => seen === text
    )
  const shown = ({ page }: Visiting) => page.getByTestId("draft").textContent()
  const finish = async (id: string, holding: Parameters<HandWorker.HandWorker["commit"]>[0]) => {
    await hand.commit(holding, answer)
    await hand.work(id, 1)
  }
  const told = async ({ page }: Visiting): Promise<ReadonlyArray<unknown>> => {
    const texts = await page.evaluate("told")
    return Array.isArray(texts) ? texts : []
  }

  for (const [locale, says, writer] of [
    ["ko-KR", "배출 규정에 적힌 순서예요", "배출 규정"],
    ["en-US", "the disposal rule's own steps", "the disposal rule"]
  ] as const) {
    it(`an answer that is the rule's own steps is marked as such for a visitor who reads ${locale}`, async () => {
      const id = await ruled()
      const { page, troubles } = await open(id, { locale })
      await hand.commit(await hand.begin(id), { ...answer, by: "rule" })
      await hand.work(id, 1)
      await page.getByTestId("by-rule").waitFor()
      expect(await page.getByTestId("by-rule").textContent()).toContain(says)
      expect(await page.getByTestId("metadata").textContent()).toContain(writer)
      expect(await troubles()).toEqual([])
    })

    it(`an answer that a model wrote is not marked as the rule's for a visitor who reads ${locale}`, async () => {
      const id = await ruled()
      const { page } = await open(id, { locale })
      await finish(id, await hand.begin(id))
      await page.getByTestId("answer").waitFor()
      expect(await page.getByTestId("by-rule").count()).toBe(0)
    })
  }

  it("an English scan shows its category and situation in English, while it runs and in its result", async () => {
    const id = await ann.accepted({ image_url: photo, language: "en" })
    const { page } = await open(id, { locale: "en-US" })
    await hand.commit(await hand.begin(id), {
      result: {
        classification: { major_category: "재활용폐기물", middle_category: "종이", minor_category: "신문지" },
        situation_tags: ["물기 있음"],
        meta: { user_input: "?" }
      },
      use: { provider: "simulated", model: "simulated", simulated: true }
    })
    const english = async () => {
      await page.getByTestId("category").waitFor()
      expect(await page.getByTestId("category").getByRole("listitem").allTextContents()).toEqual([
        "Recyclables",
        "Paper",
        "newspaper"
      ])
      expect(await page.getByTestId("tags").textContent()).toContain("damp")
    }
    await english()
    await hand.work(id, 3)
    await page.getByTestId("answer").waitFor()
    await english()
  })

  it("category, situation and rule are shown as soon as their stages are done", async () => {
    const id = await ann.accepted()
    const visitor = await open(id)
    const { page } = visitor
    await page.locator('[data-testid="stage-vision"][data-state="waiting"]').waitFor()
    const vision = await hand.begin(id)
    expect(await page.getByTestId("category").count()).toBe(0)
    await hand.commit(vision, {
      result: {
        classification: { major_category: "재활용폐기물", middle_category: "종이", minor_category: "신문지" },
        situation_tags: ["물기 있음"],
        meta: { user_input: "?" }
      },
      use: { provider: "simulated", model: "simulated", simulated: true }
    })
    await page.getByTestId("category").waitFor()
    expect(await page.getByTestId("category").getByRole("listitem").allTextContents()).toEqual([
      "재활용폐기물",
      "종이",
      "신문지"
    ])
    expect(await page.getByTestId("tags").textContent()).toBe("물기 있음")
    expect(await page.getByTestId("rule").count()).toBe(0)
    await hand.commit(await hand.begin(id), rule)
    await page.getByTestId("rule").locator("summary").click()
    expect(await page.getByTestId("rule").textContent()).toContain("물기를 피합니다.")
    expect(await page.getByTestId("cancel").isVisible()).toBe(true)
    // what the visitor has unfolded stays so in the result
    await finish(id, await hand.begin(id))
    await page.getByTestId("answer").waitFor()
    expect(await page.getByTestId("rule").getAttribute("open")).toBe("")
    expect(await page.getByTestId("found").isVisible()).toBe(false)
    expect(await visitor.troubles()).toEqual([])
  })

  it("a job without a rule shows none", async () => {
    const visitor = await open(await ruled(null))
    await visitor.page.locator('[data-testid="stage-rule"][data-state="done"]').waitFor()
    await visitor.page.getByTestId("category").waitFor()
    expect(await visitor.page.getByTestId("rule").count()).toBe(0)
    expect(await visitor.page.getByTestId("found").isVisible()).toBe(false)
    expect(await visitor.troubles()).toEqual([])
  })

  it.each([
    { width: 1280, height: 480 },
    { width: 360, height: 480 }
  ])(
    "the answer grows where the result will have it, and the result takes its place without a jump ($width px)",
    async (viewport) => {
      const { holding, id, visitor } = await writing({ viewport })
      const { page } = visitor
      const cancelBefore = (await page.getByTestId("cancel").boundingBox())?.y ?? Number.NaN
      const writer = await hand.writer(holding, 3)
      writer.send("신문지는 ")
      await shows(visitor, "신문지는 ")
      const begun = await page.getByTestId("draft").boundingBox()
      const cancelBegun = (await page.getByTestId("cancel").boundingBox())?.y ?? Number.NaN
      expect(Math.abs(cancelBegun - cancelBefore), "the button below stays under the finger").toBeLessThan(12)
      writer.send(written)
      await shows(visitor, written)
      expect((await page.getByTestId("draft").boundingBox())?.y).toBe(begun?.y)
      expect(await visitor.overhang()).toBe(0)
      // the heading, which gets the focus, is out of sight
      await page.evaluate(`document.querySelector('[data-testid="draft"]').scrollIntoView()`)
      const [scrolled, place] = [await page.evaluate("scrollY"), await page.getByTestId("draft").boundingBox()]
      await finish(id, holding)
      await page.getByTestId("answer").waitFor()
      expect(await page.getByTestId("draft").isVisible()).toBe(false)
      expect(await page.getByTestId("answer").textContent()).toBe(whole)
      expect(await page.evaluate("scrollY")).toBe(scrolled)
      const final = await page.getByTestId("answer").boundingBox()
      expect([final?.x, final?.y, final?.width]).toEqual([place?.x, place?.y, place?.width])
      expect(await page.evaluate("document.activeElement.id")).toBe("ending-heading")
      expect(await visitor.troubles()).toEqual([])
    }
  )

  it("a word is shown when it is whole, and the last one when the stage is done", async () => {
    const { holding, id, visitor } = await writing()
    const writer = await hand.writer(holding, 3)
    writer.send("비닐 코팅")
    await shows(visitor, "비닐 ")
    writer.send("비닐 코팅된 전단지")
    await shows(visitor, "비닐 코팅된 ")
    await hand.commit(holding, answer)
    await shows(visitor, "비닐 코팅된 전단지")
    await hand.work(id, 1)
    await visitor.page.getByTestId("answer").waitFor()
    expect(await visitor.troubles()).toEqual([])
  })

  it("a page that is loaded in the middle shows the answer so far, and goes on from there", async () => {
    const { holding, id, visitor } = await writing()
    const writer = await hand.writer(holding, 3)
    writer.send("one two ")
    await shows(visitor, "one two ")
    await visitor.page.reload()
    await shows(visitor, "one two ")
    await visitor.page.getByTestId("category").waitFor()
    writer.send("one two three.")
    await shows(visitor, "one two three.")
    await finish(id, holding)
    await visitor.page.getByTestId("answer").waitFor()
    expect(await visitor.troubles()).toEqual([])
  })

  it("a later attempt empties the answer and writes anew; what stands below it does not move", async () => {
    const { holding: lost, id, visitor } = await writing({ viewport: { width: 360, height: 740 } })
    const { page } = visitor
    ;(await hand.writer(lost, 3)).send(whole.repeat(3))
    await shows(visitor, whole.repeat(3))
    const before = await page.getByTestId("cancel").boundingBox()
    await hand.handBack(lost)
    const holding = await hand.begin(id)
    const writer = await hand.writer(holding, 4)
    writer.send("Another ")
    await shows(visitor, "Another ")
    expect((await page.getByTestId("cancel").boundingBox())?.y).toBeCloseTo(before?.y ?? Number.NaN, 0)
    writer.send("Another answer.")
    await shows(visitor, "Another answer.")
    await finish(id, holding)
    await page.getByTestId("answer").waitFor()
    expect(await page.getByTestId("answer").textContent()).toBe(whole)
    expect(await visitor.troubles()).toEqual([])
  })

  it("a lost connection keeps the answer so far, and the text goes on when it is back", async () => {
    const proxy = await FaultProxy.start(Number(new URL(gateway.address).port))
    onTestFinished(() => proxy.close())
    const { holding, id, visitor } = await writing({}, proxy.url.replace("redis:", "http:"))
    const { page } = visitor
    const writer = await hand.writer(holding, 3)
    writer.send("kept ")
    await shows(visitor, "kept ")
    proxy.refuse()
    await page.getByTestId("connection").waitFor()
    expect(await shown(visitor)).toBe("kept ")
    expect(await page.getByTestId("draft").isVisible()).toBe(true)
    writer.send("kept and more.")
    proxy.heal()
    await shows(visitor, "kept and more.")
    await finish(id, holding)
    await page.getByTestId("answer").waitFor()
  })

  it("screen readers are told once that the answer is being written and once that it is ready, and no piece", async () => {
    const { holding, id, visitor } = await writing({ locale: "en-GB" })
    const { page } = visitor
    const draft = page.getByTestId("draft")
    const writer = await hand.writer(holding, 3)
    writer.send("one ")
    await shows(visitor, "one ")
    const before = await told(visitor)
    for (const text of ["one two ", "one two three "]) {
      writer.send(text)
      await shows(visitor, text)
    }
    expect(await told(visitor)).toEqual(before)
    expect([await draft.getAttribute("aria-live"), await draft.getAttribute("aria-busy")]).toEqual(["off", "true"])
    await hand.handBack(holding)
    const again = await hand.begin(id)
    ;(await hand.writer(again, 4)).send("anew ")
    await shows(visitor, "anew ")
    await hand.commit(again, answer)
    await page.locator('[data-testid="draft"][aria-busy="false"]').waitFor()
    await hand.work(id, 1)
    await page.getByTestId("answer").waitFor()
    const all = await told(visitor)
    expect(all.filter((text) => text === "The answer is being written. You will hear when it is ready.")).toHaveLength(
      1
    )
    expect(all.filter((text) => text === "Step 3 of 4, Write the answer: Done")).toEqual([])
    expect(all.filter((text) => text === "The result is ready.")).toHaveLength(1)
    expect(all.at(-1)).toBe("The result is ready.")
  })

  it("nothing moves by itself for a visitor who prefers reduced motion", async () => {
    const moving = "document.getAnimations().map(({ animationName, playState }) => animationName + ' ' + playState)"
    const { holding, id, visitor } = await writing({ reducedMotion: "reduce" })
    const writer = await hand.writer(holding, 3)
    writer.send(written)
    await shows(visitor, written)
    expect(await visitor.page.evaluate(moving)).toEqual([])
    await finish(id, holding)
    await visitor.page.getByTestId("answer").waitFor()
    expect(await visitor.page.evaluate(moving)).toEqual([])
    // the check sees motion where it is wanted
    const other = await writing()
    ;(await hand.writer(other.holding, 3)).send(written)
    await shows(other.visitor, written)
    expect(await other.visitor.page.evaluate(moving)).toContain("wait running")
    await finish(other.id, other.holding)
  })

  it("a retry pauses the answer: the text stays, and the page says when it goes on", async () => {
    const { holding, visitor } = await writing()
    const { page } = visitor
    ;(await hand.writer(holding, 3)).send("half ")
    await shows(visitor, "half ")
    await page.locator('[data-testid="draft"].writing').waitFor()
    await hand.putOff(holding, "MODEL_UNAVAILABLE")
    await page.locator('[data-testid="stage-answer"][data-state="retrying"]').waitFor()
    expect(await shown(visitor)).toBe("half ")
    expect(await page.locator('[data-testid="draft"].writing').count()).toBe(0)
    expect(await page.getByTestId("stage-answer").textContent()).not.toContain("MODEL_UNAVAILABLE")
    expect(await visitor.troubles()).toEqual([])
  })

  describe("with a stream that another version sends", () => {
    const stage = (name: string, status: string, seq: unknown, result: unknown, progress: unknown = 25) =>
      `event: ${name}\n${seq === null ? "" : `id: ${String(seq)}\n`}data: ${JSON.stringify({ job_id: "x", stage: name, status, ...(seq === null ? {} : { seq }), ts: 1, progress, result })}\n\n`
    /** A page that gets this stream and then the job's own. */
    const opened = async (id: string, stream: string) => {
      const visitor = await Visitor.visit(browser, "about:blank", { extraHTTPHeaders: { "x-user-id": "ann" } })
      onTestFinished(visitor.closeAfter)
      await prepare(visitor)
      await visitor.page.route(
        `**/api/v1/scan/${id}/events*`,
        (route) => route.fulfill({ contentType: "text/event-stream", body: `retry: 100\n\n${stream}` }),
        { times: 1 }
      )
      await visitor.page.goto(`${gateway.address}/#job=${id}`)
      return visitor
    }

    it("statuses, stages and results that the page does not know change nothing, and the rest is shown", async () => {
      const id = await ruled()
      const holding = await hand.begin(id)
      const visitor = await opened(
        id,
        stage("queued", "started", 1, null, 0) +
          stage("vision", "glimpsed", 2, { half: 1 }, "many") +
          stage("reward", "constructor", null, [1]) +
          stage("smell", "completed", 2, "sweet") +
          stage("vision", "completed", 3, { classification: "재활용", situation_tags: "물기" }) +
          stage("rule", "completed", 4, ["no", "rule"], 50) +
          stage("rule", "completed", "soon", { name: 5, items: 7, source: { a: [] } }, 50) +
          [null, 7, "text", {}, { attempt: 1, offset: 0, text: 5 }, { attempt: "2", offset: 0, text: "x" }]
            .map((result) => stage("answer", "delta", null, result) + stage("answer", "restarted", null, result))
            .join("") +
          stage("answer", "delta", null, { attempt: 1, offset: 9, text: "after a gap " }) +
          `event: error\ndata: ${JSON.stringify({ type: "error", error: "timeout" })}\n\n`
      )
      const resumed = visitor.page.waitForRequest((request) => request.url().includes("last_event_id"))
      await visitor.page.getByTestId("rule").waitFor()
      expect(await shown(visitor)).toBe("")
      expect(await visitor.page.getByTestId("stage-reward").getAttribute("data-state")).toBe("waiting")
      // the job's own stream follows
      expect(new URL((await resumed).url()).searchParams.get("last_event_id")).toBe("4")
      ;(await hand.writer(holding, 3)).send("plain text.")
      await shows(visitor, "plain text.")
      await finish(id, holding)
      await visitor.page.getByTestId("answer").waitFor()
      expect((await visitor.progress()).filter((percent) => !Number.isFinite(percent))).toEqual([])
      expect(await visitor.troubles()).toEqual([])
    })

    it("screen readers are told once of an answer that is written twice", async () => {
      const id = await ruled()
      const visitor = await opened(
        id,
        stage("queued", "started", 1, null, 0) +
          stage("answer", "started", 6, null, 50) +
          stage("answer", "delta", null, { attempt: 3, offset: 0, text: "half an " }) +
          stage("answer", "retrying", 7, { code: "MODEL_UNAVAILABLE", attempt: 1, next_at: 2 }, 50) +
          stage("answer", "delta", null, { attempt: 4, offset: 0, text: "Another." })
      )
      await shows(visitor, "Another.")
      expect(await visitor.page.getByTestId("stage-answer").getAttribute("data-state")).toBe("working")
      const writing = "답을 쓰기 시작했어요. 다 쓰면 알려 드릴게요."
      expect((await told(visitor)).filter((text) => text === writing)).toHaveLength(1)
    })

    it("a server that sends neither findings nor text is followed to the result as before", async () => {
      const id = await ruled()
      const holding = await hand.begin(id)
      const visitor = await opened(
        id,
        stage("queued", "started", 1, null, 0) +
          stage("vision", "started", 2, null, 0) +
          stage("vision", "completed", 3, null) +
          stage("rule", "started", 4, null) +
          stage("rule", "completed", 5, "none", 50)
      )
      await visitor.page.locator('[data-testid="stage-rule"][data-state="done"]').waitFor()
      expect(await visitor.page.getByTestId("found").isVisible()).toBe(false)
      expect(await visitor.page.getByTestId("draft").isVisible()).toBe(false)
      await finish(id, holding)
      await visitor.page.getByTestId("answer").waitFor()
      expect(await visitor.troubles()).toEqual([])
    })
  })
})
