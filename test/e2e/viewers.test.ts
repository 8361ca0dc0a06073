/** Many viewers of one gateway process, and a gateway whose system allows few sockets. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { client, photo } from "../gateway/ScanClient.ts"
import * as EventStream from "../harness/EventStream.ts"
import { nodePath } from "../harness/Process.ts"
import * as System from "./System.ts"

const own = { headers: { "x-user-id": "ann" } }
let system: System.System
beforeAll(async () => {
  system = await System.start({ AUTH_MODE: "header", USER_VIEWERS: "5000", SIMULATED_MODEL: "true" })
})
afterAll(() => system.stop())

describe("many viewers of one gateway", () => {
  it("J4 a thousand viewers of one scan see every event once, up to its end", { timeout: 120_000 }, async () => {
    const gateway = await system.start("gateway")
    const ann = client(gateway)
    const id = await ann.accepted({ image_url: photo, model: "simulated" })
    const streams: Array<EventStream.EventStream> = []
    // a client gives a connection up that is not accepted within ten seconds: on a busy machine a thousand at once would not be
    while (streams.length < 1_000) {
      const more = Array.from({ length: 100 }, () => EventStream.open(ann.eventsUrl(id), own))
      streams.push(...(await Promise.all(more)))
    }
    expect(new Set(streams.map(({ response }) => response.status))).toEqual(new Set([200]))
    const worker = await system.start("scan-worker")
    try {
      for (const stream of streams) {
        expect(await stream.ended).toBe("ended")
        const events = [...stream.events]
        // a viewer that was too slow for its bounded queue resumes, as a browser does
        while (events.at(-1)?.event !== "done") {
          const resumed = await EventStream.open(ann.eventsUrl(id), { ...own, after: events.at(-1)?.id ?? 0 })
          await resumed.ended
          events.push(...resumed.events)
        }
        expect(EventStream.seqs(events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      }
      expect((await gateway.stop()).code).toBe(0)
    } finally {
      // a later scan stays open, with its streams
      await worker.stop()
    }
  })

  it("a gateway with few open files allowed says so at its start, and refuses viewers beyond them with 503", async () => {
    const folder = mkdtempSync(join(tmpdir(), "eco2 files "))
    const node = join(folder, "node")
    writeFileSync(node, `#!/bin/sh\nulimit -n 160\nexec "${nodePath()}" "$@"\n`)
    chmodSync(node, 0o755)
    const root = fileURLToPath(new URL("../../", import.meta.url))
    const gateway = await system.start("gateway", {}, { root, node })
    const said = await gateway.waitForLog(({ msg }) => String(msg).endsWith("fewer streams than MAX_VIEWERS"))
    expect(said).toMatchObject({ streams: 60, max_viewers: 10_000, open_files: 160 })
    const ann = client(gateway)
    const id = await ann.accepted({ image_url: photo, model: "simulated" })
    const streams = await Promise.all(Array.from({ length: 70 }, () => EventStream.open(ann.eventsUrl(id), own)))
    const statuses = streams.map(({ response }) => response.status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(60)
    expect(statuses.filter((status) => status === 503)).toHaveLength(10)
    await Promise.all(streams.map((stream) => stream.close()))
    expect((await gateway.stop()).code).toBe(0)
    rmSync(folder, { recursive: true })
  })
})
