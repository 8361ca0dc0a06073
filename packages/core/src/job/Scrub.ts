/**
 * Scrub: looks for open jobs that nothing in Redis stands for any more (no entry, no place in a lane, no timer), and puts them
 * back, so that J1 does not rest on every script and every server being perfect. Such a job is always a defect, of ours or of
 * the store: it is logged and counted. A job is put back only when it was found twice, a lease apart, with the same fence: by
 * then every process has learnt of an entry it lost (A4), and a job that moves meanwhile has another fence. Delayed messages that
 * have no timer are made due (scripts/scrub-later.lua).
 * Neighbours: scripts/scrub.lua (what a job lacks), ScrubLoop (when, in a worker), `eco2 doctor --scrub`.
 */
import { Context, Duration, Effect, Layer, Metric, Schema } from "effect"
import * as Elapsed from "../clock/Elapsed.ts"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import { jobsPutBack } from "../telemetry/Metrics.ts"
import { JobId } from "./Job.ts"
import { movesEntries } from "../mailbox/Mailbox.ts"
import { movesJobs } from "./JobStore.ts"

/** A job, by its id and stage; or a delayed message, by its member of the timers and its mailbox. */
export interface PutBack {
  readonly id: string
  readonly stage: string
  readonly lacked: "entry" | "lane" | "timer"
}

export interface Walked {
  /** Jobs examined, ended ones included. */
  readonly examined: number
  readonly putBack: ReadonlyArray<PutBack>
}

export class Scrub extends Context.Service<
  Scrub,
  {
    /**
     * Examines every job once, and puts back those that lack something. It reads every key's name in Redis, about a thousand at a
     * time, and runs `pause` after each; it takes a lease longer when it finds something. Fails when a server does not answer:
     * what was put back stays so, and the next walk begins anew.
     */
    readonly walk: (pause: Effect.Effect<void, RedisError>) => Effect.Effect<Walked, RedisError>
  }
>()("@eco2/core/job/Scrub") {}

const Lacking = Schema.Tuple([Schema.String, Schema.String, Schema.String, Schema.Literals(["entry", "lane", "timer"])])
const scrubScript = Script.make({
  file: new URL("./scripts/scrub.lua", import.meta.url),
  preludes: movesJobs,
  numberOfKeys: "root",
  reply: Schema.Array(Lacking)
})
const laterScript = Script.make({
  file: new URL("./scripts/scrub-later.lua", import.meta.url),
  preludes: movesEntries,
  numberOfKeys: "root",
  reply: Schema.TupleWithRest(Schema.Tuple([Schema.String]), [Schema.Tuple([Schema.String, Schema.String])])
})
/** Jobs looked at in one script call; a long script delays every client of Redis. */
const mostTogether = 50
/** Jobs that wait to be looked at again; when there are more, the walk waits with them. */
const mostSuspects = 5_000

interface Suspect {
  readonly partition: Partition
  readonly id: string
  readonly fence: string
  /** When it was found, by Elapsed. */
  readonly at: number
}

const chunks = <A>(all: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / mostTogether) }, (_, i) =>
    all.slice(i * mostTogether, (i + 1) * mostTogether)
  )

export const layer: Layer.Layer<Scrub, never, RedisClient | Keyspace | CoreConfig> = Layer.effect(
  Scrub,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const config = yield* CoreConfig
    const leaseMillis = Duration.toMillis(config.lease)
    const millis = yield* Elapsed.clock
    const isJobId = Schema.is(JobId)

    const send = (partition: Partition, mode: "find" | "mend", words: ReadonlyArray<string>) =>
      redis.run(scrubScript, [partition.root], [config.clockOffsetMillis, mode, ...words])

    const tell = ({ id, lacked, stage }: PutBack) =>
      Metric.update(Metric.withAttributes(jobsPutBack, { lacked }), 1).pipe(
        Effect.andThen(
          isJobId(id)
            ? Effect.logError("job put back: nothing in redis stood for it").pipe(
                Effect.annotateLogs({ job_id: id, stage })
              )
            : Effect.logError("delayed message put back: it had no timer").pipe(Effect.annotateLogs({ mailbox: stage }))
        ),
        Effect.annotateLogs({ lacked }),
        Effect.as({ id, stage, lacked })
      )

    const find = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
      const found: Array<Suspect> = []
      for (const [partition, some] of Map.groupBy(ids, keyspace.of)) {
        for (const chunk of chunks(some)) {
          const lacking = yield* send(partition, "find", chunk)
          const at = millis()
          found.push(...lacking.map(([id, fence]) => ({ partition, id, fence, at })))
        }
      }
      return found
    })

    const mend = Effect.fnUntraced(function* (suspects: ReadonlyArray<Suspect>) {
      const mended: Array<PutBack> = []
      for (const [partition, some] of Map.groupBy(suspects, (suspect) => suspect.partition)) {
        for (const chunk of chunks(some)) {
          const back = yield* send(
            partition,
            "mend",
            chunk.flatMap(({ fence, id }) => [id, fence])
          )
          for (const [id, , stage, lacked] of back) mended.push(yield* tell({ id, stage, lacked }))
        }
      }
      return mended
    })

    return Scrub.of({
      walk: Effect.fnUntraced(function* (pause) {
        let examined = 0
        let suspects: ReadonlyArray<Suspect> = []
        const putBack: Array<PutBack> = []
        const mendUntil = Effect.fnUntraced(function* (until: number) {
          const ripe = suspects.filter(({ at }) => at <= until)
          if (ripe.length === 0) return
          suspects = suspects.filter(({ at }) => at > until)
          putBack.push(...(yield* mend(ripe)))
        })
        /** Waits until the youngest suspect may be looked at again. */
        const settle = Effect.gen(function* () {
          const last = suspects.at(-1)
          if (last === undefined) return
          yield* Effect.sleep(Math.max(0, last.at + leaseMillis - millis()))
          yield* mendUntil(last.at)
        })
        yield* redis.scanPages(
          `${redis.keys.prefix}*:job:*`,
          Effect.fnUntraced(function* (keys) {
            const ids = keys.map((key) => key.slice(key.lastIndexOf(":") + 1)).filter(isJobId)
            examined += ids.length
            suspects = [...suspects, ...(yield* find(ids))]
            yield* mendUntil(millis() - leaseMillis)
            if (suspects.length >= mostSuspects) yield* settle
          }),
          pause
        )
        yield* settle
        for (const partition of keyspace.partitions) {
          let cursor = "0"
          do {
            const [next, ...lost] = yield* redis.run(laterScript, [partition.root], [config.clockOffsetMillis, cursor])
            for (const [id, stage] of lost) putBack.push(yield* tell({ id, stage, lacked: "timer" }))
            cursor = next
            if (cursor !== "0") yield* pause
          } while (cursor !== "0")
        }
        return { examined, putBack }
      })
    })
  })
)
