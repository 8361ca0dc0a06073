/** The events of a job: each once and in order (J4), and the result readable before the end is seen (J5). */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { EventLog, JobEvent } from "@eco2/core"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()

interface Told {
  readonly job: string
  readonly event: JobEvent.JobEvent
}

describe("a job's events", () => {
  it.live("J4 history and live tail have seq 1 to n without a hole, and joined by seq they give each event once", () =>
    Effect.gen(function* () {
      const watcher = yield* Fleet.joined(redis.url)
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      const before = yield* worker.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(before)), ({ state }) => state === "done")
      const told: Array<Told> = []
      yield* watcher.run(
        EventLog.EventLog.use((log) =>
          Effect.asVoid(
            log.tail({
              events: (job, events) => told.push(...events.map((event) => ({ job, event }))),
              gap: () => told.push(),
              answered: () => undefined
            })
          )
        ) as Effect.Effect<void, never, EventLog.EventLog>
      )
      const ids = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => `owner ${i}`),
        (owner) => worker.run(Fleet.submit({ owner }))
      )
      for (const id of ids) {
        const live = () => told.filter(({ job }) => job === id).map(({ event }) => event)
        yield* Fleet.until(Effect.sync(live), (events) => events.some(JobEvent.isTerminal))
        const history = yield* watcher.run(Fleet.historyOf(id))
        expect(history.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
        expect(live()).toEqual(history)
        const half = yield* watcher.run(Fleet.historyOf(id, 3))
        expect([...history.slice(0, 3), ...half]).toEqual(history)
      }
      expect(told.filter(({ job }) => job === before)).toEqual([])
    })
  )

  for (const [how, places] of [
    ["done", 199],
    ["done", 198],
    ["done", 197],
    ["failed", 199],
    ["cancelled", 199]
  ] as const) {
    it.live(`J4 a job with ${places} events still gets its ${how} event, and never has more than 200`, () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const hand = yield* Fleet.byHand(client, "hand")
        const id = yield* client.run(Fleet.submit())
        for (const stage of ["weigh", "label"]) yield* client.run(Fleet.commit(yield* hand.take(stage)))
        let holding = yield* hand.take("ship")
        for (let i = (yield* client.run(EventLog.EventLog.use((log) => log.length(id)))) ?? 0; i < places; i++) {
          yield* client.run(Fleet.defer(holding, { delayMillis: 0, cause: `cause ${i}` }))
          holding = yield* hand.take("ship")
        }
        yield* client.run(Fleet.defer(holding, { delayMillis: 0, cause: "one more" }))
        holding = yield* hand.take("ship")
        if (how === "done") yield* client.run(Fleet.commit(holding))
        else if (how === "failed") yield* client.run(Fleet.bury(holding))
        else yield* client.run(Fleet.cancel(id))
        const history = yield* client.run(Fleet.historyOf(id))
        expect(history.length).toBe(200)
        expect(history.at(-1)).toMatchObject({ seq: 200, stage: how })
        expect(yield* client.run(Fleet.terminalsOf(id))).toEqual([how])
      })
    )
  }

  it.live("J4 a commit whose begin a failover has lost writes `started` first, and `queued` once", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const [key = ""] = (yield* Fleet.keysOf(client)).filter((name) => name.endsWith(`:job:${id}`))
      const told: Array<string> = []
      for (const stage of ["weigh", "label", "ship"]) {
        // a replica that was promoted before the begin reached it
        const fence = String(yield* client.send("HGET", key, "now"))
        const length = Number(yield* client.send("LLEN", `${key}:events`))
        const holding = yield* hand.take(stage)
        yield* client.send("HSET", key, "now", fence)
        yield* client.send("LTRIM", `${key}:events`, 0, length - 1)
        if (length === 0) yield* client.send("DEL", `${key}:events`)
        expect((yield* client.run(Fleet.commit(holding))).outcome).toBe(stage === "ship" ? "ended" : "committed")
        told.push(`${stage}/started`, `${stage}/completed`)
      }
      const history = yield* client.run(Fleet.historyOf(id))
      expect(history.map(({ stage, status }) => `${stage}/${status}`)).toEqual([
        "queued/started",
        ...told,
        "done/completed"
      ])
    })
  )

  it.live("J5 a reader who sees done in the tail can read all outputs of the job at once", () =>
    Effect.gen(function* () {
      const watcher = yield* Fleet.joined(redis.url)
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      const seen: Array<string> = []
      const reads: Array<Promise<ReadonlyArray<string>>> = []
      yield* watcher.run(
        EventLog.EventLog.use((log) =>
          Effect.asVoid(
            log.tail({
              events: (id, events) => {
                if (!events.some(({ stage }) => stage === "done")) return
                seen.push(id)
                reads.push(
                  Effect.runPromise(
                    watcher
                      .run(Fleet.jobOf(id as never))
                      .pipe(Effect.map((job) => [job.state, ...[...job.outputs.keys()].toSorted()]))
                  )
                )
              },
              gap: () => undefined,
              answered: () => undefined
            })
          )
        ) as Effect.Effect<void, never, EventLog.EventLog>
      )
      for (let i = 0; i < 30; i++) yield* worker.run(Fleet.submit({ owner: `owner ${i}` }))
      yield* Fleet.until(
        Effect.sync(() => seen.length),
        (length) => length === 30
      )
      const all = yield* Effect.promise(() => Promise.all(reads))
      expect(new Set(all.map((one) => one.join(" ")))).toEqual(new Set(["done label ship weigh"]))
    })
  )
})
