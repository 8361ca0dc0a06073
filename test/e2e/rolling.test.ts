/**
 * A rolling update under load: workers and gateways of one version beside those of the next, which is the image with another
 * prompt, so that every model call shows its version. The old ones get a SIGTERM each, as from an orchestrator.
 */
import { afterEach, describe, expect, it } from "vitest"
import { appendFileSync } from "node:fs"
import { client, field, photo } from "../gateway/ScanClient.ts"
import { metric } from "../gateway/Serving.ts"
import * as EventStream from "../harness/EventStream.ts"
import type { Call } from "../harness/FakeModelServer.ts"
import * as ImageFolder from "../harness/ImageFolder.ts"
import type { Process } from "../harness/Process.ts"
import * as System from "./System.ts"

let system: System.System
let next: ImageFolder.ImageFolder | undefined
afterEach(async () => {
  await system.stop()
  next?.remove()
})

const whole = [
  "queued/started",
  ...["vision", "rule", "answer", "reward"].flatMap((stage) => [`${stage}/started`, `${stage}/completed`]),
  "done/completed"
]
/** Scans in work at any time. */
const users = 20
const mark = "This is version 2."

const versionOf = ({ body }: Call) => (JSON.stringify(body).includes(mark) ? 2 : 1)
const scanOf = ({ body }: Call) => /scan number \d+/.exec(JSON.stringify(body))?.[0] ?? "none"

describe("a rolling update", () => {
  it("A5 J1 J2 J4 a rolling update loses no job, repeats no model call, and shows every viewer each seq once, up to done", async () => {
    // work that waited for a lease would exceed the test's time limit
    system = await System.start({ LEASE: "10 minutes", SHUTDOWN_GRACE: "15 seconds" })
    const { models } = system
    models.setLatency("vision", 200)
    models.setLatency("answer", 200)
    next = ImageFolder.make({
      packages: "borrowed",
      change: (root) => {
        for (const kind of ["vision", "answer"])
          appendFileSync(`${root}packages/actors/src/model/prompts/${kind}.md`, `\n${mark}\n`)
      }
    })
    const second = { root: next.root, node: next.node }
    const [oldGateway, ...oldWorkers] = await Promise.all([
      system.start("gateway"),
      system.start("scan-worker"),
      system.start("scan-worker")
    ])

    /** The targets of new requests, like a Service's list of ready pods. */
    let door: Process = oldGateway
    let isOver = false
    let scans = 0
    const ended: Array<{
      readonly scan: string
      readonly id: string
      readonly events: ReadonlyArray<EventStream.Event>
    }> = []
    const use = async (user: string) => {
      while (!isOver) {
        const scan = `scan number ${++scans}`
        const at = () => client(door, user)
        const submit = () => at().accepted({ image_url: photo, user_input: scan }, { "x-idempotency-key": scan })
        // the connection may be closing: with the same key the second request is the same scan
        const id = await submit().catch(submit)
        const events = await EventStream.watch(() => at().eventsUrl(id), { headers: at().headers })
        ended.push({ scan, id, events })
      }
    }
    const using = Array.from({ length: users }, (_, i) => use(`user-${i}`))
    /** The next call that fits. */
    const call = async (fits: (call: Call) => boolean): Promise<Call> => {
      for (let n = models.calls.length + 1; ; n++) {
        const arrived = await models.waitForCall(n)
        if (fits(arrived)) return arrived
      }
    }

    await models.waitForCall(3 * users)
    const [newGateway] = await Promise.all([
      system.start("gateway", {}, second),
      system.start("scan-worker", {}, second),
      system.start("scan-worker", {}, second)
    ])
    await call((arrived) => versionOf(arrived) === 2 && arrived.kind === "answer")
    for (const worker of oldWorkers) {
      // one of the two is in the middle of a call
      await call((arrived) => versionOf(arrived) === 1 && arrived.kind === "vision")
      expect(await worker.stop()).toEqual({ code: 0, signal: null })
    }
    const since = models.calls.length
    expect(await metric(oldGateway, "eco2_viewers")).toBeGreaterThan(0)
    door = newGateway
    expect(await oldGateway.stop()).toEqual({ code: 0, signal: null })
    await models.waitForCall(models.calls.length + 2 * users)
    isOver = true
    await Promise.all(using)

    expect(ended).toHaveLength(scans)
    for (const { events } of ended) expect(EventStream.told(events)).toEqual(whole)
    for (const { events } of ended) expect(EventStream.seqs(events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    for (const { events } of ended) {
      const result = events.at(-1)?.data.result
      // each of the four stages was started once
      expect([field(result, "status"), field(field(result, "metadata"), "attempts")]).toEqual(["completed", 4])
    }
    const asked = models.calls.map((one) => `${scanOf(one)}: ${one.kind}`)
    expect(asked.toSorted()).toEqual(ended.flatMap(({ scan }) => [`${scan}: vision`, `${scan}: answer`]).toSorted())
    expect(models.calls.filter(({ aborted }) => aborted)).toEqual([])

    // both versions worked, also on the same scans, and after the old workers had ended the new ones alone
    const versions = new Map<string, Set<number>>()
    for (const one of models.calls) {
      const scan = scanOf(one)
      versions.set(scan, (versions.get(scan) ?? new Set()).add(versionOf(one)))
    }
    const shared = [...versions.values()].filter((set) => set.size === 2).length
    expect(shared).toBeGreaterThan(0)
    expect(new Set(models.calls.slice(0, users).map(versionOf))).toEqual(new Set([1]))
    expect(new Set(models.calls.slice(since).map(versionOf))).toEqual(new Set([2]))
    process.stdout.write(
      `${scans} scans over the update, ${shared} of them begun by one version and finished by the other\n`
    )
  })
})
