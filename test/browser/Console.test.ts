/** The operators' console in a real browser, in front of a gateway and a Redis with real work in them. */
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from "vitest"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { CircuitBreaker, Limit } from "@eco2/core"
import { RedisServer } from "@eco2/core/testing"
import { Effect } from "effect"
import * as LimitFixture from "../core/limit/LimitFixture.ts"
import * as HandWorker from "../gateway/HandWorker.ts"
import * as NewsWorker from "../gateway/NewsWorker.ts"
import { client, photo } from "../gateway/ScanClient.ts"
import { simulatedOnly, start, until } from "../gateway/Serving.ts"
import type { Serving } from "../gateway/Serving.ts"
import { isLong } from "../harness/Long.ts"
import * as Visitor from "./Visitor.ts"

const chromiumPath = inject("chromiumPath")
const artifacts = fileURLToPath(new URL("../.artifacts/", import.meta.url))
const secrets = { operator: "only operators know this", viewer: "who looks knows this" }
const letters = 500
/** Each width, theme and language with each; axe costs seconds a screen, so the short form has each of them once. */
const variants = [360, 1280]
  .flatMap((width) =>
    (["light", "dark"] as const).flatMap((colorScheme) =>
      (["ko", "en"] as const).map((language) => ({
        name: `${width}-${colorScheme}-${language}`,
        width,
        colorScheme,
        language
      }))
    )
  )
  .filter(({ name }) => isLong || name === "360-light-ko" || name === "1280-dark-en")

describe.skipIf(chromiumPath === "")("The console", () => {
  let browser: Browser
  let redis: RedisServer.RedisServer
  let gateway: Serving
  let hand: HandWorker.HandWorker
  let news: NewsWorker.NewsWorker
  let buried: string

  /** Submits a scan and gives it up. */
  const failed = async (cause: string, user = "ann") => {
    const id = await client(gateway, user).accepted({ image_url: photo, user_input: "where does it go?" })
    await hand.giveUp(await hand.begin(id), cause)
    return id
  }

  /** A limit that is in use, and a breaker that is open. */
  const held = Effect.gen(function* () {
    const worker = yield* LimitFixture.process(redis.url)
    const limit = Limit.make("openai/gpt-5.2", { requests: 60, window: "1 hour" })
    for (let n = 0; n < 3; n++) yield* worker.run(LimitFixture.grant(limit))
    const breaker = CircuitBreaker.make("openai", { openFor: "1 hour", atMost: "1 hour" })
    yield* worker.run(CircuitBreaker.CircuitBreaker.use(({ trip }) => trip(breaker)))
  })

  beforeAll(async () => {
    mkdirSync(artifacts, { recursive: true })
    redis = await RedisServer.start()
    gateway = await start("gateway", {
      ...simulatedOnly,
      AUTH_MODE: "header",
      ADMIN_PORT: "0",
      REDIS_URL: redis.url,
      USER_CONCURRENCY: "0",
      MAILBOX_CAPACITY: "20000",
      INTERNAL_SECRET: secrets.operator,
      VIEWER_SECRET: secrets.viewer
    })
    ;[browser, hand] = await Promise.all([Visitor.launch(chromiumPath), HandWorker.start(redis.url)])
    news = await NewsWorker.start(redis.url, { good: { date: 2, address: 1 }, poor: { date: 5 }, shut: null })
    await Effect.runPromise(Effect.scoped(held))
    buried = await failed("ImageUnreadable", "bob")
    for (let n = 0; n < 3; n++) await hand.work(await client(gateway, "zoe").accepted())
    for (let n = 0; n < letters; n++) await failed("ModelRefused")
    for (let n = 0; n < 40; n++) await client(gateway, `user-${n % 7}`).accepted()
    const ops = async (method: string, path: string) => {
      const headers = { "x-internal-secret": secrets.operator }
      const answer = await fetch(`${gateway.admin}/api/v1/internal/ops${path}`, { method, headers })
      return JSON.parse(await answer.text())
    }
    for (const feed of ["good", "poor", "shut"]) await ops("POST", `/schedules/news-${feed}/run`)
    await until(
      () => ops("GET", "/news"),
      ({ runs }) => runs.length === 3
    )
  }, 180_000)
  afterAll(async () => {
    await browser?.close()
    await gateway?.stop()
    await news?.stop()
    await hand?.stop()
    await redis?.stop()
  })

  const visit = async (options: BrowserContextOptions = {}) => {
    const visitor = await Visitor.visit(browser, `${gateway.admin}/console`, { locale: "en-GB", ...options })
    onTestFinished(visitor.closeAfter)
    return visitor
  }
  const signIn = async (page: Page, role: keyof typeof secrets, who: string) => {
    await page.getByTestId("name").fill(who)
    await page.getByTestId("secret").fill(secrets[role])
    await page.getByTestId("sign-in").click()
    await page.getByTestId("me").waitFor()
  }
  const go = async (page: Page, hash: string) => {
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`)
    await page.locator("#main .heading").waitFor()
  }

  it("a wrong secret is said at its field; the right one opens the overview, which names what needs attention", async () => {
    const { page } = await visit()
    await page.getByTestId("name").fill("kim")
    await page.getByTestId("secret").fill("wrong")
    await page.getByTestId("sign-in").click()
    await page.getByRole("alert").waitFor()
    expect(await page.evaluate("document.activeElement.id")).toBe("secret")
    await signIn(page, "operator", "kim")
    await page.getByTestId("attention").waitFor()
    expect(await page.getByTestId("attention").textContent()).toContain("scan.vision: ModelRefused – dead letters: 500")
    await page.reload()
    await page.getByTestId("attention").waitFor()
    expect(await page.evaluate("document.cookie")).not.toContain("eco2_console")
  })

  it("an operator finds a buried job by its cause, reads why, and sees its input only after asking", async () => {
    const visitor = await visit()
    const { page } = visitor
    await signIn(page, "operator", "kim")
    await page.keyboard.press("d")
    await page.getByTestId("group").filter({ hasText: "ImageUnreadable" }).getByRole("link").click()
    await page.getByTestId("letter").getByRole("link").click()
    await page.getByTestId("why").waitFor()
    expect(await page.locator("#panel").textContent()).toContain(buried)
    expect(await page.getByTestId("why").textContent()).toContain("ImageUnreadable")
    expect(await page.locator("#panel").textContent()).not.toContain(photo)
    await page.getByTestId("reveal").click()
    await page.getByTestId("parts").waitFor()
    expect(await page.getByTestId("parts").textContent()).toContain(photo)
    await page.keyboard.press("Escape")
    await page.locator("#panel").waitFor({ state: "hidden" })
    expect(await visitor.troubles()).toEqual([])
  })

  it("an operator counts and redrives 500 letters, and sees them done; a policy is changed with its difference, and undone", async () => {
    const { page } = await visit()
    await signIn(page, "operator", "park")
    await go(page, "#dead")
    const group = page.getByTestId("group").filter({ hasText: "ModelRefused" })
    await group.getByTestId("redrive-group").click()
    expect(await page.getByTestId("dry-run").textContent()).toContain(String(letters))
    await page.getByTestId("confirm").click()
    await page.getByTestId("toast").waitFor({ timeout: 60_000 })
    expect(await page.getByTestId("toast").textContent()).toBe(`${letters} done, 0 skipped`)
    await group.waitFor({ state: "detached" })

    await go(page, "#mailboxes")
    // on a machine with other work a list takes more than the second that a poll has
    const patient = { timeout: 20_000 }
    const mailbox = page.getByTestId("mailbox").filter({ hasText: "scan.answer" })
    await mailbox.getByTestId("change-policy").click()
    await page.locator("#policy-attempts").fill("7")
    expect(await page.getByTestId("diff").textContent()).toBe("attempts: default → 7")
    await page.getByTestId("confirm").click()
    await expect.poll(() => mailbox.textContent(), patient).toContain("attempts 7")
    await page.getByTestId("undo").click()
    await expect.poll(() => mailbox.textContent(), patient).not.toContain("attempts 7")

    await mailbox.getByTestId("pause").click()
    await page.getByTestId("confirm").click()
    await expect.poll(() => mailbox.textContent(), patient).toContain("paused")
    await page.getByTestId("undo").click()
    await expect.poll(() => mailbox.textContent(), patient).not.toContain("paused")

    await go(page, "#audit")
    const acts = await page.getByTestId("act").allTextContents()
    for (const act of ["controls.pauseMailbox", "controls.resumeMailbox"]) {
      expect(acts.filter((one) => one.includes(act) && one.includes("mailbox=scan.answer"))).toHaveLength(1)
    }
    expect(
      acts.filter((act) => act.includes("ops.redriveMany") && act.includes("park") && !act.includes("dry_run"))
    ).toHaveLength(letters / 100)
    const changes = acts.filter((act) => act.includes("policies.change") && act.includes("park"))
    expect(changes).toEqual([
      expect.stringContaining("attempts: 7 → default"),
      expect.stringContaining("attempts: default → 7")
    ])
  }, 120_000)

  it("a viewer sees the same, finds no button that changes anything, and is refused if asked for all the same", async () => {
    const { page } = await visit()
    await signIn(page, "viewer", "eve")
    for (const screen of ["dead", "mailboxes", "schedules", "limits", "processes", "tail"]) {
      await go(page, `#${screen}`)
      await expect.poll(() => page.locator("h1").textContent()).not.toBe("")
      for (const button of ["redrive-group", "discard-group", "change-policy", "pause", "drain", "open-breaker"]) {
        expect([screen, await page.getByTestId(button).count()]).toEqual([screen, 0])
      }
    }
    await go(page, `#jobs?state=failed&job=${buried}`)
    await page.getByTestId("why").waitFor()
    expect(await page.getByTestId("reveal").count()).toBe(0)
    const refused = await page.evaluate(
      `fetch("/api/v1/internal/ops/jobs/${buried}", { method: "DELETE" }).then((answer) => answer.status)`
    )
    expect(refused).toBe(403)
  })

  it("an operator finds a failed job by cause and the beginning of its id, with counts, and sees events as they come", async () => {
    const { page } = await visit()
    await signIn(page, "viewer", "eve")
    await go(page, `#jobs?state=failed&cause=IMAGE_UNREADABLE&id=${buried.slice(0, 8)}`)
    await page.getByTestId("job-row").waitFor()
    expect(await page.getByTestId("job-row").count()).toBe(1)
    expect(await page.getByTestId("causes").textContent()).toBe("ImageUnreadable 1")
    await go(page, "#tail?owner=zoe")
    await page.getByText("live", { exact: true }).waitFor()
    const id = await client(gateway, "zoe").accepted()
    await failed("ModelRefused", "ann")
    await hand.giveUp(await hand.begin(id), "ModelRefused")
    await page.getByTestId("tail-event").first().waitFor()
    const seen = await page.getByTestId("tail-event").allTextContents()
    expect(seen.filter((text) => !text.includes(id.slice(0, 8)))).toEqual([])
    expect(seen.join()).toContain("zoe")
  })

  it("news shows its sources, what was rejected and each run; mailboxes how fast stages work in an hour", async () => {
    const { page } = await visit()
    await signIn(page, "viewer", "eve")
    await go(page, "#news")
    await page.getByTestId("source").first().waitFor()
    expect(await page.getByTestId("source").count()).toBe(3)
    expect(await page.getByTestId("source").filter({ hasText: "news-shut" }).textContent()).toContain("SourceRefused")
    expect(await page.getByTestId("rejected").allTextContents()).toEqual(["rssdate72", "rssaddress11"])
    expect(await page.getByTestId("run").count()).toBe(3)
    await go(page, "#mailboxes?window=3600000")
    const vision = page.getByTestId("rate").filter({ hasText: "scan.vision" })
    await vision.waitFor()
    expect(await vision.textContent()).toMatch(/ \/ /)
  })

  it("filters are kept as a view under a name in this browser, opened by it, deleted, and put back", async () => {
    const { page } = await visit()
    await signIn(page, "viewer", "eve")
    await go(page, "#jobs?state=failed&owner=bob")
    await page.getByTestId("view-name").fill("what bob lost")
    await page.keyboard.press("Enter")
    await expect.poll(() => page.evaluate("document.activeElement.textContent")).toBe("what bob lost")
    await go(page, "#jobs")
    await page.reload()
    const view = page.getByTestId("view")
    await view.getByRole("link").click()
    await expect.poll(() => view.getByRole("link").getAttribute("aria-current")).toBe("page")
    expect(new URLSearchParams(page.url().split("?")[1]).get("owner")).toBe("bob")
    await view.getByTestId("delete-view").click()
    expect(await view.count()).toBe(0)
    await page.locator("#toast button").click()
    expect(await view.textContent()).toContain("what bob lost")
  })

  it("the keyboard moves through rows, opens and closes a job, and the address keeps the view", async () => {
    const { page } = await visit()
    await signIn(page, "viewer", "eve")
    await go(page, "#jobs?state=open")
    await page.getByTestId("job-row").first().waitFor()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    const key = String(await page.evaluate("document.activeElement.dataset.key"))
    expect(key).toBe(await page.getByTestId("job-row").first().getAttribute("data-key"))
    await page.keyboard.press("Enter")
    await page.getByTestId("close-job").waitFor()
    expect(page.url()).toContain(`job=${key}`)
    await page.keyboard.press("Escape")
    await expect.poll(() => page.url()).not.toContain("job=")
    await page.goBack()
    await page.getByTestId("close-job").waitFor()
    await page.keyboard.press("?")
    await page.getByRole("dialog").waitFor()
  })

  it.each(variants)(
    "every screen, at $name, has one h1, no sideways scroll, and nothing that axe finds wrong",
    async ({ colorScheme, language, name, width }) => {
      const visitor = await visit({
        colorScheme,
        locale: language === "ko" ? "ko-KR" : "en-GB",
        viewport: { width, height: width === 360 ? 640 : 900 }
      })
      const { page } = visitor
      const look = async (screen: string) => {
        await page.screenshot({ path: join(artifacts, `console-${screen}-${name}.png`), animations: "disabled" })
        expect([screen, await page.locator("h1").count()]).toEqual([screen, 1])
        expect([screen, await visitor.barriers()]).toEqual([screen, []])
        expect([screen, await visitor.overhang()]).toEqual([screen, 0])
      }
      await look("sign-in")
      await signIn(page, "operator", "kim")
      for (const screen of [
        "overview",
        "jobs",
        "dead",
        "mailboxes",
        "processes",
        "schedules",
        "limits",
        "news",
        "topics",
        "tail",
        "audit"
      ]) {
        await go(page, `#${screen}`)
        await page.locator("#main > :nth-child(2)").waitFor()
        if (screen === "tail") {
          await page.getByText(/^(live|연결됨)$/).waitFor()
          await hand.begin(await client(gateway, "zoe").accepted())
          await page.getByTestId("tail-event").first().waitFor()
        }
        await look(screen)
      }
      await go(page, `#jobs?state=failed&job=${buried}`)
      await page.getByTestId("why").waitFor()
      await look("job")
      expect(await visitor.troubles()).toEqual([])
    },
    180_000
  )
})
