/** Workers that are killed or stopped during a model call: finished work is kept, begun work moves to another worker. */
import { Fence } from "@eco2/core"
import { afterEach, describe, expect, it } from "vitest"
import { client, field } from "../gateway/ScanClient.ts"
import type { Client } from "../gateway/ScanClient.ts"
import * as EventStream from "../harness/EventStream.ts"
import type { Call } from "../harness/FakeModelServer.ts"
import type { Process } from "../harness/Process.ts"
import * as System from "./System.ts"

let system: System.System
afterEach(() => system.stop())

const own = { headers: { "x-user-id": "ann" } }
const whole = [
  "queued/started",
  ...["vision", "rule", "answer", "reward"].flatMap((stage) => [`${stage}/started`, `${stage}/completed`]),
  "done/completed"
]
const photo = { image_url: "https://images.example.com/bottle.jpg" }

/** Workers with different keys, so that a model call shows its worker. */
const workers = (names: ReadonlyArray<string>): Promise<ReadonlyMap<string, Process>> =>
  Promise.all(
    names.map(async (name) => [name, await system.start("scan-worker", { OPENAI_API_KEY: `sk-${name}` })] as const)
  ).then((started) => new Map(started))
const callerOf = (call: Call) => String(call.headers.authorization).replace("Bearer sk-", "")
const kinds = () => system.models.calls.map(({ kind }) => kind)
const begunTimes = async (id: string) => {
  const [key = ""] = (await system.outside.keys(`*:job:${id}`)).filter((name) => name.endsWith(id))
  const fence = Fence.split((await system.outside.hget(key, "now")) ?? "")
  return [fence?.attempts, fence?.deliveries]
}

/** A job whose `nth` model call hangs, watched from its start; resolves when the call has arrived. */
const hanging = async (ann: Client, nth: number) => {
  const id = await ann.accepted(photo)
  const seen = EventStream.watch(ann.eventsUrl(id), own)
  // a test that fails earlier must report its own reason
  seen.catch(() => undefined)
  return { id, seen, holder: callerOf(await system.models.waitForCall(nth)) }
}

describe("a worker killed in the middle of an answer", () => {
  it("A1 J1 J2 J4 a killed worker's scan is finished by another before a second lease is over, with no model call repeated", async () => {
    // a busy machine may need seconds for what a quiet one does at once
    system = await System.start({ LEASE: "5 seconds" })
    const gateway = await system.start("gateway")
    const fleet = await workers(["a", "b"])
    system.models.next("answer", { _tag: "Hang" })
    const ann = client(gateway, "ann")
    const { holder, id, seen } = await hanging(ann, 2)

    const since = performance.now()
    await fleet.get(holder)?.kill9()
    const events = await seen
    expect(performance.now() - since).toBeLessThan(10_000)

    expect(kinds()).toEqual(["vision", "answer", "answer"])
    expect(callerOf(system.models.calls[2]!)).toBe(holder === "a" ? "b" : "a")
    expect(EventStream.told(events)).toEqual(whole)
    expect(EventStream.seqs(events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(events.at(-1)?.data.result).toEqual((await ann.result(id)).body)
    expect(field(events.at(-1)?.data.result, "status")).toBe("completed")
  })
})

describe("a worker that stops", () => {
  it("A5 a worker that stops hands unfinished scans back at once with their attempts, and exits with 0", async () => {
    // "at once" is told from "after a lease" on any machine
    const leaseMillis = 60_000
    system = await System.start({ LEASE: `${leaseMillis} millis` })
    const gateway = await system.start("gateway")
    const fleet = await workers(["a", "b"])
    system.models.next("answer", { _tag: "Hang" }, 2)
    const ann = client(gateway, "ann")
    const { holder, id, seen } = await hanging(ann, 2)

    let since = performance.now()
    const firstExit = fleet.get(holder)?.stop()
    const heir = callerOf(await system.models.waitForCall(3))
    expect(heir).toBe(holder === "a" ? "b" : "a")
    expect(performance.now() - since).toBeLessThan(leaseMillis / 2)
    expect(await firstExit).toEqual({ code: 0, signal: null })
    expect(await begunTimes(id)).toEqual(["1", "0"])

    const later = await workers(["c"])
    since = performance.now()
    expect(await fleet.get(heir)?.stop()).toEqual({ code: 0, signal: null })
    const events = await seen
    expect(performance.now() - since).toBeLessThan(leaseMillis / 2)
    expect(kinds()).toEqual(["vision", "answer", "answer", "answer"])
    expect(callerOf(system.models.calls[3]!)).toBe("c")
    expect(EventStream.told(events)).toEqual(whole)
    expect(await later.get("c")?.stop()).toEqual({ code: 0, signal: null })
  })

  it("A5 a worker that stops finishes what fits into SHUTDOWN_GRACE, and takes no new work", async () => {
    system = await System.start({ SHUTDOWN_GRACE: "5 seconds" })
    const gateway = await system.start("gateway")
    const worker = await system.start("scan-worker")
    system.models.setLatency("vision", 500)
    const ann = client(gateway, "ann")
    const id = await ann.accepted(photo)
    await system.models.waitForCall(1)
    const exit = worker.stop()
    await worker.waitForLog(({ msg }) => msg === "stopping: finishing running work")
    const second = await ann.accepted(photo)
    expect(await exit).toEqual({ code: 0, signal: null })
    expect(kinds()).toEqual(["vision"])
    expect(field((await ann.result(id)).body, "progress")).toBe(25)
    expect(field((await ann.result(second)).body, "current_stage")).toBe("queued")
    await system.start("scan-worker")
    for (const job of [id, second]) expect(field((await ann.finished(job)).body, "status")).toBe("completed")
    expect(kinds().filter((kind) => kind === "vision")).toHaveLength(2)
  })
})

describe("a gateway that stops", () => {
  it("A5 a gateway that stops ends its streams in order and exits with 0, whatever its viewers do", async () => {
    system = await System.start()
    const [gateway, other] = await Promise.all([system.start("gateway"), system.start("gateway")])
    const ann = client(gateway, "ann")
    const id = await ann.accepted(photo)
    const streams = await Promise.all(Array.from({ length: 5 }, () => EventStream.open(ann.eventsUrl(id), own)))
    await Promise.all(streams.map((stream) => stream.waitFor(({ event }) => event === "queued")))
    const exit = gateway.stop()
    expect(await Promise.all(streams.map((stream) => stream.ended))).toEqual(Array(5).fill("ended"))
    expect(await exit).toEqual({ code: 0, signal: null })
    await system.start("scan-worker")
    const rest = await EventStream.watch(client(other, "ann").eventsUrl(id), { ...own, after: 1 })
    expect(EventStream.seqs(rest)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10])
  })
})
