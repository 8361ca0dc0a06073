/**
 * Scrub: looks for open jobs that nothing in Redis stands for any more (no entry, no place in a lane, no timer), and puts them
 * back, so that J1 does not rest on every script and every server being perfect. Such a job is always a defect, of ours or of
 * the store: it is logged and counted. A job is put back only when it was found twice, a lease apart, with the same fence: by
 * then every process has learnt of an entry it lost (A4), and a job that moves meanwhile has another fence. Delayed messages that
 * have no timer are made due (scripts/scrub-later.lua).
 * Two more kinds of damage let jobs wait for ever. A job whose fence is unreadable is moved by no script: it becomes a dead letter.
 * A lane whose user's count of running jobs is wrong lets nobody in: where the same job is next in a lane at both looks, the jobs
 * are read once more to count those that run, and the lane's next are let in (scripts/scrub-lanes.lua). The count of all jobs in
 * a partition's lanes, a part of every mailbox's depth, is compared with the lanes' lengths (scripts/scrub-count.lua).
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
import { deadLetters, jobsPutBack } from "../telemetry/Metrics.ts"
import * as Fence from "./Fence.ts"
import { JobId } from "./Job.ts"
import { movesEntries } from "../mailbox/Mailbox.ts"
import { movesJobs } from "./JobStore.ts"

/**
 * A job, by its id and stage; or a delayed message, by its member of the timers and its mailbox.
 * - `turn`: the job was next in a lane that let nobody in; `stage` is that job's
 * - `fence`: it could not be put back, and was given up; `stage` is the mailbox of its dead letter, "" where none could be written
 * - `count`: the count of a partition's jobs in lanes was wrong; `id` is the partition's root, `stage` is ""
 */
export interface PutBack {
  readonly id: string
  readonly stage: string
  readonly lacked: "entry" | "lane" | "timer" | "turn" | "fence" | "count"
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
     * time, and runs `pause` after each; it takes a lease longer when it finds something, and reads the names once more when a lane
     * stood still for as long. Fails when a server does not answer:
     * what was put back stays so, and the next walk begins anew.
     */
    readonly walk: (pause: Effect.Effect<void, RedisError>) => Effect.Effect<Walked, RedisError>
  }
>()("@eco2/core/job/Scrub") {}

const Lacking = Schema.Tuple([
  Schema.String,
  Schema.String,
  Schema.String,
  Schema.Literals(["entry", "lane", "timer", "fence", "next"])
])
const looksAtLanes: ReadonlyArray<URL> = [...movesJobs, new URL("./scripts/lane.lua", import.meta.url)]
const scrubScript = Script.make({
  file: new URL("./scripts/scrub.lua", import.meta.url),
  preludes: looksAtLanes,
  numberOfKeys: "root",
  reply: Schema.Array(Lacking)
})
const lanesScript = Script.make({
  file: new URL("./scripts/scrub-lanes.lua", import.meta.url),
  preludes: looksAtLanes,
  numberOfKeys: "root",
  reply: Schema.Array(Schema.String)
})
const countScript = Script.make({
  file: new URL("./scripts/scrub-count.lua", import.meta.url),
  preludes: looksAtLanes,
  numberOfKeys: "root",
  reply: Schema.TupleWithRest(Schema.Tuple([Schema.Literals(["right", "many", "recounted"])]), [Schema.String])
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
/** Lanes examined in a walk; the others' turn is the next walk's. */
const mostLanes = 1_000

interface Suspect {
  readonly partition: Partition
  readonly id: string
  readonly fence: string
  /** When it was found, by Elapsed. */
  readonly at: number
}

/** A lane, by the job that is next in it. `owner`: of the lane, by that job's fence. */
interface Lane extends Suspect {
  readonly owner: string
  /** Jobs of the owner that are admitted. */
  readonly admitted: Array<string>
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
    const letterMillis = Duration.toMillis(config.letterTtl)
    const millis = yield* Elapsed.clock
    const isJobId = Schema.is(JobId)
    const pattern = `${redis.keys.prefix}*:job:*`
    const idsOf = (keys: ReadonlyArray<string>) =>
      keys.map((key) => key.slice(key.lastIndexOf(":") + 1)).filter(isJobId)

    const send = (partition: Partition, mode: "find" | "mend", words: ReadonlyArray<string>) =>
      redis.run(scrubScript, [partition.root], [config.clockOffsetMillis, mode, letterMillis, ...words])
    const sendLanes = (
      partition: Partition,
      mode: "still" | "admitted" | "recount",
      words: ReadonlyArray<string | number>
    ) => redis.run(lanesScript, [partition.root], [config.clockOffsetMillis, config.userConcurrency, mode, ...words])

    const say = ({ id, lacked, stage }: PutBack) => {
      if (lacked === "fence") {
        const gone = Effect.logError("job given up: its fence is unreadable").pipe(
          Effect.annotateLogs({ job_id: id, mailbox: stage })
        )
        const labels = { mailbox: stage, reason: "JobUnreadable" }
        return stage === "" ? gone : Effect.andThen(Metric.update(Metric.withAttributes(deadLetters, labels), 1), gone)
      }
      if (lacked === "count") {
        return Effect.logError("count of jobs in lanes put right: submits are refused or accepted by it").pipe(
          Effect.annotateLogs({ partition: id })
        )
      }
      if (!isJobId(id)) {
        return Effect.logError("delayed message put back: it had no timer").pipe(
          Effect.annotateLogs({ mailbox: stage })
        )
      }
      return Effect.logError(
        lacked === "turn"
          ? "lane let in: the count of its user's running jobs was wrong"
          : "job put back: nothing in redis stood for it"
      ).pipe(Effect.annotateLogs({ job_id: id, stage }))
    }
    const tell = (one: PutBack, facts: Readonly<Record<string, string>> = {}) =>
      Metric.update(Metric.withAttributes(jobsPutBack, { lacked: one.lacked }), 1).pipe(
        Effect.andThen(say(one)),
        Effect.annotateLogs({ lacked: one.lacked, ...facts }),
        Effect.as(one)
      )

    const find = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
      const found: Array<Suspect> = []
      const lanes: Array<Lane> = []
      for (const [partition, some] of Map.groupBy(ids, keyspace.of)) {
        for (const chunk of chunks(some)) {
          const lacking = yield* send(partition, "find", chunk)
          const at = millis()
          for (const [id, fence, , lacked] of lacking) {
            const suspect = { partition, id, fence, at }
            if (lacked !== "next") found.push(suspect)
            else lanes.push({ ...suspect, owner: Fence.split(fence)?.owner ?? "", admitted: [] })
          }
        }
      }
      return { found, lanes }
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
          for (const [id, , stage, lacked] of back) {
            if (lacked !== "next") mended.push(yield* tell({ id, stage, lacked }))
          }
        }
      }
      return mended
    })

    /** Of these lanes, those in which the same job is still next. */
    const standing = Effect.fnUntraced(function* (lanes: ReadonlyArray<Lane>) {
      const still: Array<Lane> = []
      for (const [partition, some] of Map.groupBy(lanes, (lane) => lane.partition)) {
        for (const chunk of chunks(some)) {
          const words = chunk.flatMap(({ fence, id }) => [id, fence])
          const ids = new Set(yield* sendLanes(partition, "still", words))
          still.push(...chunk.filter(({ id }) => ids.has(id)))
        }
      }
      return still
    })

    /** Counts the admitted jobs of these lanes' owners, which grow no more while the lanes stand, and puts the counts right. */
    const recount = Effect.fnUntraced(function* (lanes: ReadonlyArray<Lane>, pause: Effect.Effect<void, RedisError>) {
      const byPartition = Map.groupBy(lanes, (lane) => lane.partition)
      yield* redis.scanPages(
        pattern,
        Effect.fnUntraced(function* (keys) {
          for (const [partition, ids] of Map.groupBy(idsOf(keys), keyspace.of)) {
            const byOwner = new Map(byPartition.get(partition)?.map((lane) => [lane.owner, lane]))
            if (byOwner.size === 0) continue
            for (const chunk of chunks(ids)) {
              const found = yield* sendLanes(partition, "admitted", [byOwner.size, ...byOwner.keys(), ...chunk])
              for (let i = 0; i + 1 < found.length; i += 2) byOwner.get(found[i]!)?.admitted.push(found[i + 1]!)
            }
          }
        }),
        pause
      )
      const mended: Array<PutBack> = []
      for (const { admitted, fence, id, partition } of lanes) {
        // SCAN may name a key twice
        const [outcome, before = "", now = "", stage = ""] = yield* sendLanes(partition, "recount", [
          id,
          fence,
          ...new Set(admitted)
        ])
        if (outcome === "recounted")
          mended.push(yield* tell({ id, stage, lacked: "turn" }, { counted_before: before, counted: now }))
      }
      return mended
    })

    return Scrub.of({
      walk: Effect.fnUntraced(function* (pause) {
        let examined = 0
        let suspects: ReadonlyArray<Suspect> = []
        let lanes: ReadonlyArray<Lane> = []
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
          pattern,
          Effect.fnUntraced(function* (keys) {
            const ids = idsOf(keys)
            examined += ids.length
            const looked = yield* find(ids)
            suspects = [...suspects, ...looked.found]
            if (lanes.length < mostLanes) lanes = [...lanes, ...looked.lanes].slice(0, mostLanes)
            yield* mendUntil(millis() - leaseMillis)
            if (suspects.length >= mostSuspects) yield* settle
          }),
          pause
        )
        yield* settle
        const youngest = lanes.at(-1)
        if (youngest !== undefined) {
          yield* Effect.sleep(Math.max(0, youngest.at + leaseMillis - millis()))
          const still = yield* standing(lanes)
          if (still.length > 0) putBack.push(...(yield* recount(still, pause)))
        }
        const owners = Map.groupBy(lanes, ({ partition }) => partition)
        for (const partition of keyspace.partitions) {
          const known = new Set(owners.get(partition)?.map(({ owner }) => owner))
          const [outcome, ...counts] = yield* redis.run(
            countScript,
            [partition.root],
            [config.clockOffsetMillis, ...known]
          )
          if (outcome === "recounted") {
            const [before = "", counted = ""] = counts
            const put = { id: partition.root, stage: "", lacked: "count" } as const
            putBack.push(yield* tell(put, { counted_before: before, counted }))
          }
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
