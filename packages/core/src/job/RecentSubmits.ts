/**
 * RecentSubmits: remembers what this process accepted lately, and hands it in again when Redis has lost it. A failover promotes a
 * replica that may lack the last submits, and a master that was cut off keeps accepting until it is demoted; both have
 * acknowledged jobs that are gone then. After every change of a partition's server, and after a loss of data (Keyspace), it asks
 * once whether the accepted jobs are there, and submits those that are not, under the same ids (J6: nothing happens twice).
 *   - for 30 seconds it keeps a submit whole, within a bound of bytes; a picture larger than a quarter of them is not kept
 *   - for 10 minutes it keeps the id, 10,000 at most, so that a job that cannot be handed in again is at least named
 * Jobs that a user cancelled through this process are forgotten. A job that was done already runs again: its result is lost too.
 * Wraps JobStore: whoever submits through this layer's JobStore is covered. For gateways; SUBMIT_REPLICAS prevents the loss
 * instead, at the cost of a wait.
 */
import { Duration, Effect, Layer, Metric, Result, Schedule, Schema } from "effect"
import * as Elapsed from "../clock/Elapsed.ts"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import { Readiness } from "../supervision/Readiness.ts"
import * as Supervisor from "../supervision/Supervisor.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import type { JobId } from "./Job.ts"
import { JobStore } from "./JobStore.ts"
import type { Submission } from "./JobStore.ts"

const wholeMillis = 30_000
const namedMillis = 600_000
const mostNamed = 10_000
/** Bytes of a submission beside its texts, about. */
const overheadBytes = 500
const lookMillis = 500
/** Ids asked about in one command, and named in one line of the log. */
const mostTogether = 100
/** A handed-in job that is refused (a full mailbox, a user's rate) is tried again for this long. */
const patience = { schedule: Schedule.spaced("1 second"), times: 30 }

interface Whole {
  readonly submission: Submission
  /** Null: the job has none, or it is too large to be kept. */
  readonly image: Uint8Array | null
  readonly bytes: number
  readonly at: number
}

const bytesOf = (submission: Submission, image: Uint8Array | null): number =>
  overheadBytes +
  2 * (submission.input.length + submission.owner.length + submission.trace.length) +
  (image?.byteLength ?? 0)

/** What is remembered: whole submits and ids, each in order of acceptance. */
class Memory {
  readonly whole = new Map<JobId, Whole>()
  readonly named = new Map<JobId, number>()
  #bytes = 0
  readonly #mostBytes: number
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }
  get size() {
    return this.whole.size + this.named.size
  }
  forget(id: JobId) {
    this.#bytes -= this.whole.get(id)?.bytes ?? 0
    this.whole.delete(id)
    this.named.delete(id)
  }
  add(submission: Submission, picture: Uint8Array | null, at: number) {
    this.forget(submission.id)
    const image = picture !== null && picture.byteLength <= this.#mostBytes / 4 ? picture : null
    const bytes = bytesOf(submission, image)
    this.whole.set(submission.id, { submission, image, bytes, at })
    this.#bytes += bytes
    for (const [id, old] of this.whole) {
      if (this.#bytes <= this.#mostBytes && at - old.at <= wholeMillis) break
      this.forget(id)
      this.named.set(id, old.at)
    }
    for (const [id, since] of this.named) {
      if (this.named.size <= mostNamed && at - since <= namedMillis) break
      this.named.delete(id)
    }
  }
}

const chunks = <A>(all: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / mostTogether) }, (_, i) =>
    all.slice(i * mostTogether, (i + 1) * mostTogether)
  )

/** JobStore that remembers. `mostBytes`: of all submits kept whole; 0: nothing is remembered. */
export const layer = (options: {
  readonly mostBytes: number
}): Layer.Layer<JobStore, never, JobStore | RedisClient | Keyspace | CoreConfig | Readiness> =>
  Layer.effect(
    JobStore,
    Effect.gen(function* () {
      const store = yield* JobStore
      if (options.mostBytes === 0) return store
      const redis = yield* RedisClient
      const keyspace = yield* Keyspace
      const readiness = yield* Readiness
      const { jobTtl } = yield* CoreConfig
      const now = yield* Elapsed.clock
      const decodeCount = decodeReply("EXISTS", Schema.Int)
      const memory = new Memory(options.mostBytes)
      /** Pictures on their way to a job, by upload. */
      const uploads = new Map<string, Uint8Array>()
      const homes = new Map(keyspace.partitions.map((partition) => [partition, redis.home(partition.root)]))
      const changed = new Set<Partition>()
      yield* keyspace.onLoss(() => {
        for (const partition of keyspace.partitions) changed.add(partition)
      })

      const exist = (partition: Partition, ids: ReadonlyArray<JobId>) =>
        redis.send("EXISTS", ...ids.map((id) => partition.job(id))).pipe(Effect.flatMap(decodeCount))
      /** Those that Redis does not have: one command for a hundred that are all there. */
      const missingOf = Effect.fnUntraced(function* (partition: Partition, ids: ReadonlyArray<JobId>) {
        const missing: Array<JobId> = []
        for (const chunk of chunks(ids)) {
          if ((yield* exist(partition, chunk)) === chunk.length) continue
          const found = yield* Effect.forEach(chunk, (id) => exist(partition, [id]), { concurrency: "unbounded" })
          missing.push(...chunk.filter((_, i) => found[i] === 0))
        }
        return missing
      })

      const submitAgain = ({ image, submission }: Whole) =>
        Effect.gen(function* () {
          const upload = image === null ? null : yield* store.upload(submission.id, image)
          yield* store.submit({ ...submission, upload })
        }).pipe(
          Effect.catchTag("NotReplicated", () => Effect.void),
          Effect.retry({ ...patience, while: (error) => error._tag !== "IdempotencyConflict" })
        )

      const recover = Effect.fnUntraced(function* (partition: Partition) {
        // an ended job lives for JOB_TTL, so one accepted later than that cannot have expired
        const youngest = now() - Duration.toMillis(jobTtl) / 2
        const asked = [...memory.named, ...Array.from(memory.whole, ([id, { at }]) => [id, at] as const)].flatMap(
          ([id, at]) => (at >= youngest && keyspace.of(id) === partition ? [id] : [])
        )
        const missing = yield* missingOf(partition, asked)
        const again: Array<JobId> = []
        const lost: Array<readonly [id: JobId, why: string]> = []
        const handIn = Effect.fnUntraced(function* (id: JobId) {
          const known = memory.whole.get(id)
          // cancelled since it was asked about
          if (known === undefined && !memory.named.has(id)) return
          if (known === undefined) return void lost.push([id, "accepted too long ago to be kept"])
          if (known.submission.upload !== null && known.image === null) {
            return void lost.push([id, "its picture is too large to be kept"])
          }
          const handed = yield* Effect.result(submitAgain(known))
          if (Result.isSuccess(handed)) again.push(id)
          else lost.push([id, handed.failure.message])
        })
        yield* Effect.forEach(missing, handIn, { concurrency: 32, discard: true })
        for (const [id] of lost) memory.forget(id)
        yield* Metric.update(Metrics.submitsAgain, again.length)
        yield* Metric.update(Metrics.submitsLost, lost.length)
        for (const ids of chunks(again)) {
          yield* Effect.logWarning("redis had lost accepted jobs; they are submitted again").pipe(
            Effect.annotateLogs({ jobs: ids.length, job_ids: ids })
          )
        }
        for (const part of chunks(lost)) {
          yield* Effect.logError("redis has lost accepted jobs").pipe(
            Effect.annotateLogs({
              jobs: part.length,
              job_ids: part.map(([id]) => id),
              reasons: [...new Set(part.map(([, why]) => why))]
            })
          )
        }
      })

      const look = Effect.gen(function* () {
        for (const partition of keyspace.partitions) {
          const home = redis.home(partition.root)
          // where no server is known now, asking makes a Cluster look for one
          if (home === homes.get(partition)) continue
          homes.set(partition, home)
          changed.add(partition)
        }
        if (memory.size === 0) changed.clear()
        for (const partition of [...changed]) {
          changed.delete(partition)
          yield* Effect.catch(recover(partition), () =>
            // RedisHealth says why it does not answer
            Effect.sync(() => void changed.add(partition))
          )
        }
      })
      const supervisor = Supervisor.make()
      yield* supervisor.supervise(
        "recent submits",
        Effect.forever(Effect.andThen(Effect.sleep(Duration.millis(lookMillis)), look))
      )
      yield* readiness.register("recent submits", supervisor.trouble, supervisor.failed)

      return JobStore.of({
        ...store,
        upload: (id, bytes) =>
          Effect.tap(store.upload(id, bytes), (upload) =>
            Effect.sync(() => {
              uploads.set(upload, bytes)
              // a submit follows its upload at once; those that did not come are few
              for (const old of uploads.keys()) {
                if (uploads.size <= mostTogether) break
                uploads.delete(old)
              }
            })
          ),
        submit: (submission) =>
          Effect.tap(store.submit(submission), ({ ended }) =>
            Effect.sync(() => {
              // an ended job may expire at any time
              if (!ended) memory.add(submission, uploads.get(submission.upload ?? "") ?? null, now())
            })
          ).pipe(Effect.ensuring(Effect.sync(() => void uploads.delete(submission.upload ?? "")))),
        cancel: (id) => Effect.tap(store.cancel(id), () => Effect.sync(() => memory.forget(id)))
      })
    })
  )
