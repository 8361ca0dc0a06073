/**
 * Three incidents, played from the runbook alone: real roles, a real Redis and PostgreSQL, and a real Prometheus with Alertmanager
 * on the shipped rules. What rings names a runbook; its commands are run as they stand there, and what it says to do is done.
 * The last lines printed are the protocol: when the alert rang, what the runbook's commands said, when all was well.
 *
 * To be short, every duration of the rules, scrapes and notifications is divided by INCIDENT_SPEED (default 10), and so are
 * REDRIVE_INTERVAL, the intervals of news, the minutes of the outage and the time between jobs. Times are printed as they were, and times the speed.
 * INCIDENT_SPEED=1 plays them in real time.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { Schema } from "effect"
import { execFile, execFileSync } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { runWith } from "../deploy/cli/Operating.ts"
import { client, field, photo } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import { anchor, commands } from "../harness/Documents.ts"
import * as EventStream from "../harness/EventStream.ts"
import { FakeModelServer } from "../harness/FakeModelServer.ts"
import { keyNames } from "../harness/KeyNames.ts"
import { size } from "../harness/Long.ts"
import * as Monitoring from "../harness/Monitoring.ts"
import * as Process from "../harness/Process.ts"
import * as TokenIssuer from "../harness/TokenIssuer.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const speed = size("INCIDENT_SPEED", { short: 10, long: 10 })
const minutes = (count: number) => (count * 60_000) / speed
/** Starved machines are slow: no deadline here judges. */
const patience = minutes(60)
const lacking = [...Monitoring.missing(), ...(PostgresServer.isInstalled() ? [] : ["PostgreSQL"])]
const say = (line: string) => void process.stdout.write(`${line}\n`)
if (lacking.length > 0) say(`incidents.test.ts is skipped: ${lacking.join(", ")} not installed`)

const Named = Schema.fromJsonString(Schema.Array(Schema.Struct({ name: Schema.String })))
const rightKey = "sk-incident-right"
const wrongKey = "sk-incident-wrong"

describe.skipIf(lacking.length > 0)("incidents, by the runbook alone", { timeout: 3 * patience }, () => {
  const folder = mkdtempSync(join(tmpdir(), "eco2-incidents-"))
  let redis: RedisServer.RedisServer
  let database: PostgresServer.PostgresServer
  let models: FakeModelServer
  let monitoring: Monitoring.Monitoring
  let key = rightKey
  const roles = new Map<string, Process.Process>()
  /** Headings whose commands were run. */
  const played = new Set<string>()
  const started: Array<Process.Process> = []

  const settings = () => ({
    REDIS_URL: redis.url,
    DATABASE_URL: database.url(),
    DATABASE_POOL: "2",
    AUTH_MODE: "header",
    INTERNAL_SECRET: "incident-secret",
    OPENAI_MODELS: "gpt-5.2",
    OPENAI_API_KEY: key,
    OPENAI_BASE_URL: `${models.url}/v1`,
    MODEL_REUSE: "off",
    GEMINI_MODELS: "",
    FETCH_IMAGES: "false",
    NEWS_SAMPLE: "true",
    NEWS_INTERVAL_NAVER: `${minutes(5)} millis`,
    NEWS_INTERVAL_NEWSDATA: `${minutes(30)} millis`,
    REDRIVE_INTERVAL: `${minutes(5)} millis`,
    SHUTDOWN_GRACE: "1 second"
  })
  /** Starts a role, or its next version: the new process serves before the old one stops, as in a rollout. */
  const rolledOut = async (role: Process.RoleName) => {
    const next = await Process.start(role, {
      ...settings(),
      ...(role === "authz" ? TokenIssuer.bySecret : {})
    })
    started.push(next)
    const last = roles.get(role)
    roles.set(role, next)
    if (last === undefined) return
    scrape()
    // beats are not faster than in life: the gateway knows both before the old one goes
    await until(
      () => monitoring.query('max(eco2_mailbox_servers{mailbox="scan.vision"}) >= 2'),
      (both) => both.length > 0,
      patience
    )
    await last.stop()
  }
  const scrape = () => monitoring.scrape([...roles].map(([name, { address }]) => ({ role: name, address })))
  const ann = () => client(roles.get("gateway")!, "ann")

  /** Runs the commands of the runbook that a notification names, in order; what they said. */
  const playRunbook = async ({ runbook }: Monitoring.Notice) => {
    const [document = "", heading = ""] = runbook.split("#")
    const blocks = commands(document).filter((one) => anchor(one.heading) === heading)
    expect(blocks.length, runbook).toBeGreaterThan(0)
    for (const one of blocks) played.add(one.heading)
    const said: Array<string> = []
    for (const { text } of blocks) {
      const env = {
        ...Process.compileCache,
        ...settings(),
        ECO2_URL: roles.get("gateway")!.address,
        PATH: [folder, process.env.PATH ?? ""].join(delimiter)
      }
      // beside this process, whose model server it asks; a doctor that finds something ends with 1
      const output = await new Promise<string>((resolve) =>
        execFile("bash", ["--norc", "-c", text], { env, timeout: patience }, (_, stdout, stderr) =>
          resolve(stdout + stderr)
        )
      )
      said.push(text.replaceAll(/^(?=.)/gm, "$ "), output)
    }
    return said.join("")
  }
  const told = (name: string, since: number, rang: Monitoring.Notice, well: number, output: string) => {
    const after = (at: number) => {
      const seconds = (at - since) / 1_000
      return `${seconds.toFixed(0)} s (× ${speed} = ${((seconds * speed) / 60).toFixed(1)} min)`
    }
    say(`\n== ${name}\n${rang.alert} rang after ${after(rang.at)}: ${rang.summary}`)
    // of the doctor, what it found
    const found = output.split("\n").filter((line) => line !== "" && !/^ok |^warn | +->/.test(line))
    say(`runbook ${rang.runbook}:\n${found.join("\n")}\nall was well after ${after(well)}`)
  }
  /** What rang and ended since then: the cause by its name, anything else with its summary, so that a failure says what it was. */
  const rangSince = (since: number, cause: string) => [
    ...new Set(
      monitoring.notices
        .filter(({ at }) => at >= since)
        .map(({ alert, status, summary }) => `${alert} ${status}${alert === cause ? "" : `: ${summary}`}`)
    )
  ]
  /** What fires at Prometheus, told or not. */
  const firing = async () =>
    (await monitoring.query('ALERTS{alertstate="firing"}')).map(({ labels }) => labels.alertname ?? "")
  const quiet = () => until(firing, (names) => names.length === 0, patience)

  beforeAll(async () => {
    writeFileSync(join(folder, "eco2"), `#!/bin/sh\nexec "${Process.nodePath()}" "${root}deploy/cli/main.ts" "$@"\n`)
    chmodSync(join(folder, "eco2"), 0o755)
    database = await PostgresServer.start()
    await runWith({ DATABASE_URL: database.url() })("migrate")
    models = await FakeModelServer.start()
    models.setKey(rightKey)
    redis = await RedisServer.start()
    const all = [
      "gateway",
      "scan-worker",
      "character-match",
      "character-worker",
      "news-worker",
      "news-api",
      "authz"
    ] as const
    await Promise.all(all.map(rolledOut))
    monitoring = await Monitoring.start({ speed })
    scrape()
    await ann().finished(await ann().accepted())
    await until(
      () => monitoring.query("up == 1"),
      (up) => up.length === roles.size,
      patience
    )
    // what rang until all roles had beaten is over, and was told
    await quiet()
    const open = () =>
      monitoring.notices.filter(
        ({ alert, at, status }) =>
          status === "firing" &&
          !monitoring.notices.some((one) => one.alert === alert && one.status === "resolved" && one.at >= at)
      )
    await until(
      () => Promise.resolve(open()),
      (names) => names.length === 0,
      patience
    )
  })
  afterEach(() => models.reset())
  afterAll(async () => {
    await Promise.all(started.map((process) => process.kill9()))
    await monitoring?.stop()
    await redis?.stop()
    await models?.close()
    await database?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it("Redis restarted with its data lost: its loss rings, the runbook finds and mends the cause, and nothing else rings", async () => {
    const user = ann()
    const answered = Promise.withResolvers<void>()
    models.next("vision", { _tag: "Held", until: answered.promise }, 2)
    const calls = models.calls.length
    const running = await user.accepted({ image_url: photo }, { "x-idempotency-key": "photo-1" })
    const viewer = await EventStream.open(user.eventsUrl(running), { headers: user.headers })
    await models.waitForCall(calls + 1)
    const since = Date.now()
    // nothing was saved: it comes back empty; at this speed the seconds until all have it again, and have beaten, would be an outage of a minute
    await monitoring.unseen(async () => {
      await redis.kill9()
      await redis.restart()
      const serving = async () =>
        execFileSync("redis-cli", ["-u", redis.url, "HVALS", keyNames.serving], { encoding: "utf8" })
      await until(serving, (mailboxes) => mailboxes.includes("scan.vision"), patience)
      const gateway = async () => (await fetch(`${roles.get("gateway")!.address}/metrics`)).text()
      await until(gateway, (metrics) => /^eco2_mailbox_servers\{.*"scan\.vision".*\} [1-9]/m.test(metrics), patience)
      for (const { address } of roles.values()) {
        const metrics = async () => (await fetch(`${address}/metrics`)).text()
        await until(metrics, (text) => !/^eco2_redis_up(?:\{.*\})? 0$/m.test(text), patience)
      }
    })
    const rang = await monitoring.notice("Eco2RedisLostData", "firing", since, patience)
    const silenced = await monitoring.silenced()
    const output = await playRunbook(rang)
    expect(output).toMatch(/^appendonly\nno$/m)
    expect(output).toMatch(/^fail +redis\.persistence +no persistence/m)
    expect(output).toMatch(/^OK$/m)
    answered.resolve()
    await viewer.ended
    // "those with an idempotency key can be submitted again under it"
    const again = await user.accepted({ image_url: photo }, { "x-idempotency-key": "photo-1" })
    expect(field((await user.finished(again)).body, "status")).toBe("completed")
    const { at } = await monitoring.notice("Eco2RedisLostData", "resolved", since, patience)
    await quiet()
    told("Redis restarted with its data lost", since, rang, at, output)
    say(`silenced as its followers: ${silenced.join(", ") || "none"}`)
    expect(rangSince(since, "Eco2RedisLostData")).toEqual(["Eco2RedisLostData firing", "Eco2RedisLostData resolved"])
  })

  it("PostgreSQL gone for five minutes: its absence rings while it lasts, scans go on, their rewards are saved, and nothing else rings", async () => {
    const user = client(roles.get("gateway")!, "ben")
    const since = Date.now()
    await database.kill()
    const back = delay(minutes(5))
    // news is collected meanwhile: the run is parked, with a letter that outlasts the outage
    const operate = runWith({ ...settings(), ECO2_URL: roles.get("gateway")!.address })
    const schedules = Schema.decodeUnknownSync(Named)((await operate("schedules", "list", "--json")).out)
    const collecting = schedules.find(({ name }) => name.startsWith("news-feed"))
    expect((await operate("schedules", "run", collecting?.name ?? "")).code).toBe(0)
    const scan = await user.accepted({ image_url: photo })
    expect(field((await user.finished(scan)).body, "status")).toBe("completed")
    const rang = await monitoring.notice("Eco2PostgresDown", "firing", since, minutes(5))
    const silenced = await monitoring.silenced()
    const output = await playRunbook(rang)
    expect(output).toMatch(/fail +postgres/)
    await until(
      () => operate("dead", "list", "--cause", "PostgresUnavailable", "--json"),
      ({ out }) => out.includes("news.fetch"),
      patience
    )
    await back
    await database.restart()
    const { at } = await monitoring.notice("Eco2PostgresDown", "resolved", since, patience)
    // "rewards wait in Redis until they are saved"
    await until(
      async () => (await user.get("/api/v1/users/me/characters")).body,
      (owned) => Array.isArray(owned) && owned.length === 1,
      patience
    )
    await quiet()
    told("PostgreSQL gone for five minutes", since, rang, at, output)
    say(`silenced as its followers: ${silenced.join(", ") || "none"}`)
    expect(rangSince(since, "Eco2PostgresDown")).toEqual(["Eco2PostgresDown firing", "Eco2PostgresDown resolved"])
  })

  it("a wrong model key at three jobs an hour: the breaker rings from the first job on, until the runbook's key is set, and nothing else rings", async () => {
    const user = client(roles.get("gateway")!, "cat")
    models.setKey(rightKey)
    key = wrongKey
    await rolledOut("scan-worker")
    const since = Date.now()
    const jobs = [await user.accepted({ image_url: photo })]
    const next = delay(minutes(20))
    const rang = await monitoring.notice("Eco2BreakerOpen", "firing", since, patience)
    await next
    jobs.push(await user.accepted({ image_url: photo }))
    // it has rung ever since, although nothing was called
    expect(rangSince(since, "Eco2BreakerOpen")).toEqual(["Eco2BreakerOpen firing"])
    const silenced = await monitoring.silenced()
    const output = await playRunbook(rang)
    expect(output).toMatch(/fail +openai\.probe +refuses the key \(HTTP 401\)/)
    // "set the right key, restart the workers, and probe again"
    key = rightKey
    const mended = Date.now()
    await rolledOut("scan-worker")
    expect(await playRunbook(rang)).toMatch(/ok +openai\.probe/)
    for (const job of jobs) expect(field((await user.finished(job)).body, "status")).toBe("completed")
    const { at } = await monitoring.notice("Eco2BreakerOpen", "resolved", mended, patience)
    await quiet()
    told("a wrong model key at three jobs an hour", since, rang, at, output)
    say(
      `silenced as its followers: ${silenced.join(", ") || "none"}; well ${((at - mended) / 1_000).toFixed(0)} s after the key`
    )
    expect(rangSince(since, "Eco2BreakerOpen")).toEqual(["Eco2BreakerOpen firing", "Eco2BreakerOpen resolved"])
  })

  it("every runbook with commands was played", () => {
    const withCommands = commands("docs/operations/alerts.md").map(({ heading }) => heading)
    expect([...played].toSorted()).toEqual([...new Set(withCommands)].toSorted())
  })
})
