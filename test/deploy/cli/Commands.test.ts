/** Every command of the operators' command line, for people and for programs, on a real gateway, workers and Redis. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { Keys } from "@eco2/core/redis"
import { FaultProxy, RedisServer } from "@eco2/core/testing"
import { Effect, Fiber } from "effect"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as HandWorker from "../../gateway/HandWorker.ts"
import { client } from "../../gateway/ScanClient.ts"
import type { Client } from "../../gateway/ScanClient.ts"
import * as ScheduleWorker from "../../gateway/ScheduleWorker.ts"
import { simulatedOnly, start, until } from "../../gateway/Serving.ts"
import type { Serving } from "../../gateway/Serving.ts"
import { following, runWith } from "./Operating.ts"
import type { Said } from "./Operating.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const secret = "only operators know this"
let redis: RedisServer.RedisServer
let gateway: Serving
let hand: HandWorker.HandWorker
let sweeper: ScheduleWorker.ScheduleWorker
let ann: Client
let eco2: (...words: ReadonlyArray<string>) => Promise<Said>

beforeAll(async () => {
  redis = await RedisServer.start()
  const env = { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: redis.url, INTERNAL_SECRET: secret }
  gateway = await start("gateway", env)
  hand = await HandWorker.start(redis.url)
  sweeper = await ScheduleWorker.start(redis.url)
  ann = client(gateway)
  eco2 = runWith({ ECO2_URL: `${gateway.address}/`, INTERNAL_SECRET: secret })
  await until(
    async () => (await json("schedules", "list")).length,
    (count) => count > 0
  )
})
afterAll(async () => {
  await gateway.stop()
  await sweeper.stop()
  await hand.stop()
  await redis.stop()
})

/** Runs a command that must succeed, silently on standard error; what it prints with --json. */
const json = async (...words: ReadonlyArray<string>) => {
  const { code, err, out } = await eco2(...words, "--json")
  expect([code, err]).toEqual([0, ""])
  return JSON.parse(out)
}
/** The same for people, line by line. */
const lines = async (...words: ReadonlyArray<string>) => {
  const { code, err, out } = await eco2(...words)
  expect([code, err]).toEqual([0, ""])
  return out.split("\n")
}
/** Columns of a table begin where their heads do, or end where they end. */
const expectAligned = ([head = "", ...rows]: ReadonlyArray<string>) => {
  const gaps = [...head.matchAll(/ {2,}/g)].length
  for (const row of rows) expect(row.split(/ {2,}/).length, row).toBe(gaps + 1)
}
const failed = async (cause: string) => {
  const id = await ann.accepted()
  await hand.giveUp(await hand.begin(id), cause)
  return id
}

describe("eco2 policy", () => {
  it("eco2 policy shows what is set, sets a policy, and resets it", async () => {
    expect(await lines("policy", "show")).toEqual(["no policy is set: environment and code decide"])
    const [head, row] = await lines("policy", "set", "scan.rule", "--timeout", "90 seconds", "--attempts", "2")
    expect(head).toMatch(/^MAILBOX +CAPACITY +TIMEOUT +ATTEMPTS +REDRIVES +REDRIVE AFTER$/)
    expect(row).toMatch(/^scan\.rule +- +1m 30s +2 +- +-$/)
    // a bare number is seconds
    expect(await json("policy", "set", "scan.rule", "--timeout", "90")).toMatchObject({ timeout_ms: 90_000 })
    await until(
      () => json("policy", "show"),
      (all) => all.length === 1
    )
    expect(await json("policy", "set", "scan.rule", "--timeout", "default", "--attempts", "default")).toEqual({
      mailbox: "scan.rule",
      capacity: null,
      timeout_ms: null,
      attempts: null,
      redrives: null,
      redrive_ms: null
    })
    await until(
      () => json("policy", "show"),
      (all) => all.length === 0
    )
  })

  it("eco2 policy says what is wrong, with the exit code for it", async () => {
    expect(await eco2("policy", "set", "scan.rule")).toMatchObject({ code: 2 })
    expect(await eco2("policy", "set", "scan.rule", "--timeout", "soon")).toMatchObject({
      code: 2,
      err: expect.stringContaining('--timeout is "soon"; allowed is a duration such as "30 seconds", or default')
    })
    expect(await eco2("policy", "set", "scan.ruel", "--attempts", "1")).toMatchObject({ code: 3 })
    // what the call does not take is the command's mistake, not the gateway's answer
    const { code, err } = await eco2("policy", "set", "scan.rule", "--attempts", "0")
    expect([code, err]).toEqual([2, expect.stringMatching(/^eco2: not allowed: .*\n?.*attempts/)])
  })
})

describe("eco2 jobs", () => {
  it("eco2 jobs lists open and ended jobs, by state, owner and pipeline", async () => {
    const first = await ann.accepted()
    const second = await client(gateway, "bob").accepted()
    await hand.begin(second)
    const { complete, jobs } = await json("jobs", "list")
    expect([complete, jobs.map(({ job_id }: { job_id: string }) => job_id)]).toEqual([true, [second, first]])
    const [head, ...rows] = await lines("jobs", "list")
    expect(head).toMatch(/^JOB +PIPELINE +OWNER +STATE +STAGE +% +RUN +ATTEMPTS +AGE +SINCE +CAUSE$/)
    expect(rows.map((row) => row.slice(0, 36))).toEqual([second, first])
    expect(rows[0]).toMatch(/ scan +bob +running +vision +0 +1 +1 +\d+s +\d+s +-$/)
    expectAligned([head!, ...rows])
    expect((await json("jobs", "list", "--state", "running", "--limit", "5")).jobs).toHaveLength(1)
    expect((await json("jobs", "list", "--owner", "nobody", "--pipeline", "scan")).jobs).toEqual([])
    expect(await lines("jobs", "list", "--state", "done")).toEqual(["no such jobs"])
    await eco2("jobs", "cancel", first)
    await eco2("jobs", "cancel", second)
    expect((await json("jobs", "list", "--state", "cancelled")).jobs).toHaveLength(2)
  })

  it("eco2 jobs list says on standard error when there are more than its limit, and finds an id by its beginning", async () => {
    const ids = [await ann.accepted(), await ann.accepted()]
    const { code, err, out } = await eco2("jobs", "list", "--json", "--limit", "1")
    expect([code, err]).toEqual([0, "eco2: there are more; --limit 10 shows more of them"])
    expect(JSON.parse(out)).toMatchObject({ complete: false, jobs: [{ tags: ["model:simulated"] }] })
    const [one] = ids
    const found = await eco2("jobs", "list", "--json", "--id", one!.slice(0, 9), "--model", "simulated")
    expect(JSON.parse(found.out).jobs.map(({ job_id }: { job_id: string }) => job_id)).toEqual([one])
    expect((await eco2("jobs", "list", "--id", "zz")).code).toBe(2)
    await lines("jobs", "cancel", ...ids)
  })

  it("eco2 mailboxes pauses and resumes a mailbox, and the audit log has both with what was before", async () => {
    expect(await lines("mailboxes", "pause", "scan.rule")).toEqual([
      "scan.rule is paused: nothing is taken from it until `eco2 mailboxes resume scan.rule`"
    ])
    const row = (await lines("mailboxes")).find((line) => line.startsWith("scan.rule "))
    expect(row).toMatch(/for \d+s$/)
    expect(await lines("mailboxes", "resume", "scan.rule")).toEqual(["scan.rule is served again"])
    expect((await lines("mailboxes")).find((line) => line.startsWith("scan.rule "))).toMatch(/ -$/)
    expect((await eco2("mailboxes", "pause", "scan.rules")).code).toBe(3)
    expect((await eco2("processes", "drain", "nobody")).code).toBe(3)
  })

  it("eco2 jobs show takes the beginning of an id, and names no job by one that two have or none has", async () => {
    const id = await ann.accepted()
    expect((await lines("jobs", "show", id.slice(0, 13)))[0]).toContain(id)
    expect((await eco2("jobs", "show", "00000000-0000")).code).toBe(3)
    expect((await eco2("jobs", "show", "nothing")).code).toBe(3)
    await lines("jobs", "cancel", id.slice(0, 13))
    expect((await json("jobs", "show", id)).state).toBe("cancelled")
  })

  it("a cause that nothing has is an error that lists those that there are; a code means its letter's cause", async () => {
    const id = await ann.accepted()
    await hand.giveUp(await hand.begin(id), "ModelRefused")
    expect(await json("dead", "list", "--cause", "MODEL_REFUSED")).toMatchObject([
      { cause: "ModelRefused", job_id: id, letter: expect.stringMatching(/^scan\.vision\/\d+\/\d+-\d+$/) }
    ])
    expect((await json("jobs", "list", "--state", "failed", "--cause", "MODEL_REFUSED")).jobs).toMatchObject([
      { job_id: id, cause: "ModelRefused" }
    ])
    // a list is an error; a change is done, for nothing of it is left
    for (const [wanted, ...words] of [
      [3, "dead", "list", "--cause", "ModelRefusd"],
      [3, "jobs", "list", "--state", "failed", "--cause", "ModelRefusd"],
      [0, "dead", "redrive", "--cause", "ModelRefusd"],
      [0, "dead", "discard", "--cause", "ModelRefusd", "--yes"],
      [0, "jobs", "cancel", "--cause", "ModelRefusd", "--yes"]
    ] as const) {
      const { code, err } = await eco2(...words)
      expect([code, err], words.join(" ")).toEqual([
        wanted,
        expect.stringMatching(/^eco2: nothing has the cause "ModelRefusd"; there are .*ModelRefused/)
      ])
    }
    await lines("dead", "discard", "--cause", "ModelRefused", "--yes")
  })

  it("eco2 jobs show tells a job's paid calls, with their bills, and what they come to", async () => {
    const id = await ann.accepted()
    const vision = await hand.begin(id)
    const usage = { input: 900, cached: 0, output: 100, reasoning: 0 }
    await hand.pay(vision, { service: "gpt-5.2", bill: { outcome: "ok", usage, cost: 1_500, requestId: "req_1" } })
    await hand.pay(vision, { service: "gpt-5.2" })
    const shown = await lines("jobs", "show", id)
    expect(shown.find((line) => line.startsWith("spent"))).toMatch(
      /1 ok, 0 billed for nothing, 0 uncertain, 1 open, 0 free; cost 0.0015; 1000 tokens$/
    )
    const rows = shown.filter((line) => line.includes("gpt-5.2"))
    expect(rows).toHaveLength(2)
    expect(rows[0]).toMatch(/vision +1 +1 +gpt-5\.2 +ok +\d+\.\ds +1000 +0\.0015 +req_1$/)
    expect(rows[1]).toMatch(/vision +1 +1 +gpt-5\.2 +open +- +0 +- +-$/)
    await lines("jobs", "cancel", id)
  })

  it("eco2 jobs shows a job, cancels it, and says when it is over or unknown", async () => {
    const id = await ann.accepted()
    expect(await json("jobs", "show", id)).toMatchObject({ job_id: id, state: "waiting", owner: "ann", error: null })
    const shown = await lines("jobs", "show", id)
    expect(shown).toContain(`job_id     ${id}`)
    expect(shown).toContain("error      -")
    expect(shown.find((line) => line.startsWith("created"))).toMatch(
      /^created {4}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d$/
    )
    expect(await lines("jobs", "cancel", id)).toEqual([`job ${id} is cancelled`])
    expect(await lines("jobs", "cancel", id)).toEqual([`job ${id} is cancelled already`])
    expect(await json("jobs", "cancel", id)).toEqual({ outcome: "already" })

    const over = await ann.accepted()
    await hand.work(over)
    expect(await eco2("jobs", "cancel", over)).toEqual({ code: 1, out: "", err: `eco2: job ${over} is over already` })
    for (const verb of ["show", "cancel"])
      expect(await eco2("jobs", verb, "00000000-0000-0000-0000-000000000000", "--json")).toEqual({
        code: 3,
        out: "",
        err: "eco2: there is no job 00000000-0000-0000-0000-000000000000"
      })
  })
})

describe("an operator's change of many", () => {
  it("eco2 jobs show tells stages, events, holder, the next attempt and its cause, and the trace", async () => {
    const id = await ann.accepted()
    const vision = await hand.begin(id)
    expect((await lines("jobs", "show", id)).find((line) => line.startsWith("standing"))).toMatch(/runs in \S+$/)
    await hand.putOff(vision, "ModelRateLimited")
    const shown = await json("jobs", "show", id)
    expect(shown).toMatchObject({
      state: "delayed",
      cause: "ModelRateLimited",
      holder: null,
      due: expect.any(Number),
      trace: expect.stringMatching(/^[0-9a-f]{32}$/),
      stages: [
        { stage: "vision", attempts: 2, committed: null, work_ms: null },
        { stage: "rule", attempts: 0 },
        { stage: "answer" },
        { stage: "reward" }
      ],
      events: [
        { seq: 1, stage: "queued", status: "started" },
        { seq: 2, stage: "vision", status: "started" },
        { seq: 3, stage: "vision", status: "retrying", result: { code: "ModelRateLimited" } }
      ]
    })
    const text = (await lines("jobs", "show", id)).join("\n")
    expect(text).toMatch(/^standing +next attempt .+ \(in \d+s\), after ModelRateLimited$/m)
    expect(text).toMatch(/^STAGE +ATTEMPTS +BEGAN +COMMITTED +WORKED$/m)
    expect(text).toMatch(/ 3 {2}vision retrying {2}\(code ModelRateLimited, attempt 1, again at .+\)$/m)
    await eco2("jobs", "cancel", id)
  })

  it("eco2 jobs tail prints a job's events as they come, and ends with the job", async () => {
    const id = await ann.accepted()
    const followed = eco2("jobs", "tail", id, "--json")
    await hand.work(id)
    const { code, err, out } = await followed
    expect([code, err]).toEqual([0, ""])
    const stages = out
      .split(/(?<=^})\n/m)
      .map((one) => JSON.parse(one))
      .map(({ stage, status }) => `${stage}/${status}`)
    expect([stages[0], stages.at(-1)]).toEqual(["queued/started", "done/completed"])
  })

  it("eco2 jobs tail outlasts a gateway that is away, and misses no event", async () => {
    const proxy = await FaultProxy.start(Number(new URL(gateway.address).port))
    onTestFinished(() => proxy.close())
    const id = await ann.accepted()
    await hand.work(id, 1)
    const { port } = new URL(proxy.url)
    const env = { ECO2_URL: `http://127.0.0.1:${port}`, INTERNAL_SECRET: secret }
    const { err, fiber, out } = following(env, "jobs", "tail", id)
    await until(
      async () => out.length,
      (count) => count === 3
    )
    proxy.refuse()
    await hand.work(id, 3)
    await until(
      async () => err,
      (said) => said.length === 1
    )
    proxy.heal()
    expect(await Effect.runPromise(Fiber.join(fiber))).toBe(0)
    expect(err).toEqual([
      expect.stringMatching(/^eco2: no answer from .*; asking again$/),
      "eco2: the gateway answers again"
    ])
    expect(out.map((line) => Number(/ (\d+) {2}\w/.exec(line)?.[1]))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  it("eco2 jobs cancels 240 waiting jobs by one command, chosen by flags, and only when it is sure", async () => {
    const jobs = await Promise.all(Array.from({ length: 240 }, (_, n) => client(gateway, `crowd-${n % 24}`).accepted()))
    const other = await client(gateway, "somebody").accepted()
    for (let n = 0; n < 4; n++) await client(gateway, "few").accepted()
    expect(await eco2("jobs", "cancel", "--owner", "crowd-1")).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringContaining("Cancel 10 jobs? Say --yes")
    })
    expect(await lines("jobs", "cancel", "--all", "--dry-run", "--age", "1h")).toEqual(["0 jobs would be cancelled"])
    expect(await lines("jobs", "cancel", "--owner", "crowd-1", "--dry-run")).toEqual(["10 jobs would be cancelled"])
    expect((await json("jobs", "list", "--limit", "1000")).jobs).toHaveLength(245)
    expect(await json("jobs", "cancel", "--owner", "few", "--limit", "3", "--yes")).toMatchObject({ cancelled: 3 })
    expect(await json("jobs", "cancel", "--owner", "few", "--yes")).toMatchObject({ cancelled: 1 })
    await eco2("jobs", "cancel", other)
    const began = performance.now()
    expect(
      await lines(
        "jobs",
        "cancel",
        "--pipeline",
        "scan",
        "--stage",
        "vision",
        "--state",
        "waiting",
        "--since",
        "1h",
        "--yes"
      )
    ).toEqual(["240 cancelled, 0 skipped (they had ended meanwhile)"])
    process.stdout.write(`240 waiting jobs cancelled by one command in ${Math.round(performance.now() - began)} ms\n`)
    expect((await json("jobs", "list")).jobs).toEqual([])
    expect((await lines("jobs", "cancel", ...jobs.slice(0, 100))).length).toBe(100)
    for (const words of [[], ["--pipeline", "scan", jobs[0]!]]) {
      expect(await eco2("jobs", "cancel", ...words)).toMatchObject({ code: 2 })
    }
  })

  it("eco2 dead redrives and discards all, beyond what one call changes, and says what it left", async () => {
    const dead = keyNames.partitions(4).map((partition) => partition.dead("ownership"))
    await hand.send("SADD", keyNames.mailboxes, "ownership")
    const written = (count: number, cause: string) =>
      Promise.all(
        Array.from({ length: count }, (_, n) =>
          hand.send(
            "XADD",
            dead[n % 4]!,
            "*",
            "type",
            "SaveOwnership",
            "body",
            "{}",
            "cause",
            cause,
            "last",
            Date.now()
          )
        )
      )
    await written(2_340, "Outage")
    await written(800, "Early")
    await written(30, "Other")
    const id = await ann.accepted()
    const index = Keys.partitionOf(id, 4)
    await hand.send("XADD", dead[index]!, "*", "job", id, "stage", "vision", "cause", "Outage", "last", Date.now())
    expect(await json("dead", "redrive", "--cause", "Outage", "--dry-run")).toMatchObject({
      matched: 2_341,
      redriven: 0
    })
    const early = ["dead", "redrive", "--cause", "Early", "--mailbox", "ownership"] as const
    expect(await json(...early, "--limit", "700")).toMatchObject({ redriven: 700, matched: 700, complete: false })
    expect(await json(...early)).toMatchObject({ redriven: 100 })
    const began = performance.now()
    expect((await lines("dead", "redrive", "--cause", "Outage"))[0]).toBe(
      "2340 redriven, 1 left (their jobs are open, or the letters are gone)"
    )
    process.stdout.write(`2,340 letters redriven by one command in ${Math.round(performance.now() - began)} ms\n`)
    expect(await json("dead", "list", "--mailbox", "ownership", "--cause", "Outage")).toMatchObject([{ job_id: id }])
    expect(await json("dead", "list", "--mailbox", "ownership", "--owner", "ann")).toMatchObject([{ job_id: id }])
    expect(await eco2("dead", "discard", "--all", "--mailbox", "ownership")).toMatchObject({
      code: 2,
      err: expect.stringContaining("Discard 31 letters? Their jobs stay failed. Say --yes")
    })
    expect(await lines("dead", "discard", "--all", "--mailbox", "ownership", "--age", "1h", "--yes")).toEqual([
      "0 would be discarded"
    ])
    expect(await lines("dead", "discard", "--cause", "Other", "--yes")).toEqual(["30 discarded"])
    expect(await lines("dead", "discard", "--all", "--mailbox", "ownership", "--yes")).toEqual(["1 discarded"])
    await eco2("jobs", "cancel", id)
    for (const partition of keyNames.partitions(4)) await hand.send("DEL", partition.mailbox("ownership"))
  })

  it("a list with --watch is printed again and again until it is interrupted", async () => {
    const env = { ECO2_URL: gateway.address, INTERNAL_SECRET: secret }
    const { fiber, out } = following(env, "mailboxes", "--watch")
    await until(
      async () => out.filter((line) => line.startsWith("MAILBOX")).length,
      (count) => count >= 2
    )
    await Effect.runPromise(Fiber.interrupt(fiber))
  })
})

describe("eco2 dead", () => {
  it("eco2 dead lists letters of all mailboxes, of one, or of one cause, and shows one", async () => {
    expect(await lines("dead", "list")).toEqual(["no dead letters"])
    const id = await failed("ModelRefused")
    const other = await failed("Outage")
    const [letter] = await json("dead", "list", "--cause", "ModelRefused")
    expect(letter).toMatchObject({ mailbox: "scan.vision", job_id: id, cause: "ModelRefused" })
    const table = await lines("dead", "list", "--mailbox", "scan.vision")
    expect(table[0]).toMatch(/^LETTER +CAUSE +ATTEMPTS +LAST +JOB +MESSAGE$/)
    expect(table.slice(1).map((row) => /[0-9a-f-]{36}/.exec(row)?.[0])).toEqual([other, id])
    expectAligned(table)
    const name = `scan.vision/${letter.id}`
    expect(table[2]).toContain(name)
    expect(await json("dead", "show", name)).toEqual(letter)
    expect(await lines("dead", "show", name)).toContain(`letter    ${name}`)
    expect(await json("dead", "list", "--limit", "1", "--mailbox", "scan.rule")).toEqual([])
  })

  it("J2 eco2 dead redrives letters by id, by cause and all, and discards them", async () => {
    const named = await failed("ModelRefused")
    await failed("Outage")
    await failed("Nonsense")
    const letterOf = async (id: string) =>
      (await json("dead", "list")).find((letter: { job_id: string }) => letter.job_id === id)
    const name = `scan.vision/${(await letterOf(named)).id}`
    expect(await json("dead", "redrive", name)).toEqual({ redriven: 1, skipped: 0 })
    expect((await json("jobs", "show", named)).run).toBe(2)
    expect(await eco2("dead", "redrive", name)).toMatchObject({ code: 3 })
    const before = (await json("dead", "list", "--cause", "Outage")).length
    expect(await lines("dead", "redrive", "--cause", "Outage")).toEqual([
      `${before} redriven, 0 left (their jobs are open, or the letters are gone)`
    ])
    expect((await eco2("dead", "list", "--cause", "Outage")).code).toBe(3)
    const nonsense = `scan.vision/${(await json("dead", "list", "--cause", "Nonsense"))[0].id}`
    expect(await lines("dead", "discard", nonsense)).toEqual(["1 discarded"])
    expect(await eco2("dead", "discard", nonsense, "--json")).toMatchObject({ code: 3, out: "" })
    await failed("One")
    await failed("Another")
    expect(await json("dead", "redrive", "--all", "--mailbox", "scan.vision")).toMatchObject({ skipped: 0 })
    expect(await json("dead", "list")).toEqual([])
  })

  it("redriving one letter by name exits 1 when its job is open: nothing was done", async () => {
    const id = await ann.accepted()
    const index = Keys.partitionOf(id, 4)
    const dead = keyNames.partitions(4)[index]!.dead("scan.vision")
    const entry = await hand.send("XADD", dead, "*", "job", id, "stage", "vision", "cause", "Left", "last", 1)
    expect(await eco2("dead", "redrive", `scan.vision/${index}/${String(entry)}`)).toMatchObject({
      code: 1,
      out: "0 redriven, 1 skipped (their jobs are open, or the letters are gone)",
      err: expect.stringContaining("not every letter could be redriven")
    })
    await hand.send("DEL", dead)
    await eco2("jobs", "cancel", id)
  })

  it("eco2 dead without a letter's id is a usage error, and an unknown mailbox is not found", async () => {
    for (const words of [
      ["redrive"],
      ["redrive", "--mailbox", "scan.vision"],
      ["redrive", "scan.vision/0/1-1", "--all"],
      ["show", "0/1-1"],
      ["discard", "scan.vision"]
    ]) {
      expect(await eco2("dead", ...words), words.join(" ")).toMatchObject({ code: 2, out: "" })
    }
    expect(await eco2("dead", "list", "--mailbox", "nobody")).toMatchObject({ code: 3 })
  })
})

describe("a mailbox that the gateway does not know", () => {
  it("a mailbox of other code is listed once it was served, with its dead letters and its policy", async () => {
    const names: ReadonlyArray<string> = (await json("mailboxes")).map(({ mailbox }: { mailbox: string }) => mailbox)
    expect([names[0], names.filter((name) => name === "sweep.clean").length]).toEqual(["scan.vision", 1])
    expect(names).toEqual([...new Set(names)])
    expect(await json("dead", "list", "--mailbox", "sweep.clean")).toEqual([])
    expect(await json("policy", "set", "sweep.clean", "--attempts", "2")).toMatchObject({
      mailbox: "sweep.clean",
      attempts: 2
    })
    await json("policy", "set", "sweep.clean", "--attempts", "default")
  })
})

describe("eco2 mailboxes and eco2 processes", () => {
  it("eco2 mailboxes counts waiting and pending entries, and eco2 processes lists live processes", async () => {
    const before = await json("mailboxes")
    const id = await ann.accepted()
    expect((await json("mailboxes"))[0]).toMatchObject({ mailbox: "scan.vision", entries: before[0].entries + 1 })
    const table = await lines("mailboxes")
    expect(table[0]).toMatch(/^MAILBOX {2,}WAITING {2}IN WORK {2}LETTERS {2}OLDEST {2}PAUSED$/)
    expectAligned(table)
    await eco2("jobs", "cancel", id)
    expect(await json("processes")).toContainEqual(expect.objectContaining({ role: "sweeper", state: "alive" }))
    const processes = await lines("processes")
    expect(processes[0]).toMatch(/^PROCESS +ROLE +STATE +IN FLIGHT +LAST HEARD +LEASE$/)
    expect(processes.join("\n")).toMatch(/^sweeper\.\S+ +sweeper +alive +\d+ +\d+s ago +\d+s left$/m)
  })
})

describe("many that are named", () => {
  it("one that is not there holds up none of the others", async () => {
    const none = "00000000-0000-0000-0000-000000000000"
    const id = await ann.accepted()
    expect(await eco2("jobs", "cancel", none, id)).toEqual({
      code: 3,
      out: `there is no job ${none}\njob ${id} is cancelled`,
      err: "eco2: 1 of the jobs are not there"
    })
    await Promise.all([failed("Outage"), failed("Outage")])
    const [one, other] = await json("dead", "list", "--cause", "Outage")
    const gone = "scan.vision/0/1-0"
    expect(await eco2("dead", "redrive", gone, one.letter)).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^1 redriven, 1 skipped/)
    })
    expect(await lines("dead", "discard", gone, other.letter)).toEqual(["1 discarded, 1 were gone already"])
    expect(await eco2("dead", "discard", gone)).toMatchObject({ code: 3, err: `eco2: there is no letter ${gone}` })
    await lines("jobs", "cancel", one.job_id)
  })
})

describe("eco2 schedules", () => {
  it("eco2 schedules lists schedules, pauses and resumes one, and runs it now", async () => {
    expect(await json("schedules", "list")).toMatchObject([{ name: "nightly", paused: false, declared: true }])
    const table = await lines("schedules", "list")
    expect(table[0]).toMatch(/^SCHEDULE +WHEN +WORK +STATE +LAST RUN +NEXT +FIRES +SKIPS +LAST JOB$/)
    expect(table[1]).toMatch(/^nightly +cron 0 0 29 2 \* Asia\/Seoul +sweep +active +- +20\d\d-02-2\d .+ 0 +0 +-$/)
    expect((await lines("schedules", "pause", "nightly"))[0]).toContain("nightly is paused")
    expect((await lines("schedules", "list"))[1]).toContain(" paused ")
    expect(await json("schedules", "resume", "nightly")).toEqual({ outcome: "resumed" })
    expect((await lines("schedules", "resume", "nightly"))[0]).toContain("nightly is resumed")
    const { job_id } = await json("schedules", "run", "nightly")
    expect(await json("jobs", "show", job_id)).toMatchObject({ pipeline: "sweep", state: "running" })
    expect(await eco2("schedules", "run", "nightly")).toEqual({
      code: 1,
      out: "",
      err: `eco2: the last run of nightly, job ${job_id}, is still open (SCHEDULE_RUNNING)`
    })
    await eco2("jobs", "cancel", job_id)
    expect((await lines("schedules", "run", "nightly"))[0]).toMatch(/^nightly runs as job [0-9a-f-]{36}$/)
    for (const verb of ["pause", "resume", "run"])
      expect(await eco2("schedules", verb, "weekly")).toMatchObject({ code: 3, out: "" })
  })
})

describe("errors of the command line", () => {
  it("a usage error is printed on standard error with the command's help, with code 2", async () => {
    for (const words of [
      [],
      ["nothing"],
      ["jobs"],
      ["jobs", "show"],
      ["jobs", "list", "--state", "lost"],
      ["jobs", "list", "--limit", "x"],
      ["jobs", "list", "--limit", "0"],
      ["dead", "redrive", "--all", "--limit", "0"],
      ["dead", "list", "--limit", "1001"],
      ["dead", "list", "--since", "yesterday"],
      ["jobs", "cancel", "--age", "-1"]
    ]) {
      const { code, err, out } = await eco2(...words)
      expect([code, out], words.join(" ")).toEqual([2, ""])
      expect(err).toContain("USAGE")
    }
  })

  it("--help prints the command's help on standard output, with code 0", async () => {
    const { code, err, out } = await eco2("jobs", "list", "--help")
    expect([code, err]).toEqual([0, ""])
    expect(out).toContain("--state")
  })

  it("a missing or wrong secret is refused, with code 4", async () => {
    const refusal = async (env: Readonly<Record<string, string>>) => {
      const { code, err, out } = await runWith({ ECO2_URL: gateway.address, ...env })("mailboxes", "--json")
      expect([code, out]).toEqual([4, ""])
      return err
    }
    for (const env of [{}, { INTERNAL_SECRET: "" }]) expect(await refusal(env)).toContain("set INTERNAL_SECRET")
    expect(await refusal({ INTERNAL_SECRET: `${secret}?` })).toContain("(FORBIDDEN)")
  })

  it("an unreadable operator.json of a running start is named in the refusal, code 4", async () => {
    const folder = mkdtempSync(join(tmpdir(), "eco2-access-"))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    mkdirSync(join(folder, "operator.json"))
    const { code, err } = await runWith({ ECO2_URL: gateway.address, ECO2_STATE: folder })("mailboxes")
    expect(code).toBe(4)
    expect(err).toMatch(/set INTERNAL_SECRET.*operator\.json cannot be read: EISDIR/)
  })

  it("an ECO2_URL with a password is refused without showing it", async () => {
    const { code, err } = await runWith({ ECO2_URL: "http://ann:hunter2@127.0.0.1:1", INTERNAL_SECRET: secret })(
      "mailboxes"
    )
    expect(code).toBe(2)
    expect(err).toBe("eco2: ECO2_URL is not an http or https URL without user and password")
  })

  it("a gateway or store that does not answer is code 5", async () => {
    const port = await RedisServer.freePort()
    const nobody = await runWith({ ECO2_URL: `http://127.0.0.1:${port}`, INTERNAL_SECRET: secret })("mailboxes")
    expect(nobody).toEqual({
      code: 5,
      out: "",
      err: `eco2: no answer from http://127.0.0.1:${port}; set ECO2_URL, or run \`npm start\` first`
    })
    const lonely = await RedisServer.start()
    const env = { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: lonely.url, INTERNAL_SECRET: secret }
    const bereft = await start("gateway", env)
    await lonely.stop()
    const away = await runWith({ ECO2_URL: bereft.address, INTERNAL_SECRET: secret })("mailboxes")
    expect(away).toMatchObject({ code: 5, out: "" })
    expect(away.err).toContain("(UNAVAILABLE)")
    await bereft.stop()
  })

  it("what users and models sent reaches no terminal as a control character, by any command, for people or programs", async () => {
    const hostile = "\u001b[2J\u001b]0;mine\u0007\u009b31m\u202e\r\nok  done"
    const id = await failed(hostile)
    const [letter] = (await json("dead", "list", "--limit", "1")) as ReadonlyArray<{
      readonly id: string
      readonly mailbox: string
      readonly cause: string
    }>
    expect(letter?.cause).toContain(hostile)
    const said: Array<Said> = []
    for (const words of [
      ["dead", "list"],
      ["dead", "show", `${letter!.mailbox}/${letter!.id}`],
      ["dead", "list", "--cause", hostile],
      ["dead", "list", "--mailbox", hostile],
      ["dead", "show", hostile],
      ["jobs", "list", "--state", "ended"],
      ["jobs", "show", id],
      ["jobs", "show", hostile],
      ["schedules", "run", hostile],
      ["policy", "set", hostile, "--attempts", "1"],
      ["limits", "resume", hostile]
    ])
      for (const way of [words, [...words, "--json"]]) said.push(await eco2(...way))
    const printed = said.flatMap(({ err, out }) => [out, err]).join("\n")
    expect(printed).toContain("\\u001b[2J")
    expect(printed.replaceAll("\n", "").match(/[\p{Cc}\u202a-\u202e]/gu)).toBe(null)
  })

  it("eco2 says where a gateway with ADMIN_PORT serves operators, and finds it by the same setting", async () => {
    const apart = await start("gateway", {
      ...simulatedOnly,
      REDIS_URL: redis.url,
      INTERNAL_SECRET: secret,
      AUTH_MODE: "header",
      ADMIN_PORT: "0"
    })
    onTestFinished(() => apart.stop())
    expect(await runWith({ ECO2_URL: apart.address, INTERNAL_SECRET: secret })("mailboxes")).toEqual({
      code: 1,
      out: "",
      err: `eco2: ${apart.address} does not serve operators; where ADMIN_PORT is set, they are served on that port`
    })
    const beside = { ADMIN_PORT: new URL(apart.admin).port, ECO2_STATE: "/nowhere", INTERNAL_SECRET: secret }
    expect(await runWith(beside)("mailboxes")).toMatchObject({ code: 0, err: "" })
  })

  it("an address where another program answers is an error of one line", async () => {
    const elsewhere = await runWith({ ECO2_URL: `${gateway.address}/elsewhere`, INTERNAL_SECRET: secret })("mailboxes")
    expect(elsewhere.code).not.toBe(0)
    expect(elsewhere.err).toMatch(/^eco2: /)
  })
})
