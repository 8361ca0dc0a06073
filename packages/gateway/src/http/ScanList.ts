/**
 * ScanList: the user's own scans, the newest first, from two stores: the latest hundred from Redis, in any state, and done ones
 * from Postgres when Redis no longer has their jobs (KeptScans). A scan is in the list once. While Postgres does not answer, the
 * list is what Redis has, and says that it is not complete.
 * A cursor names the last scan of a page and when it was submitted, so it is good also when Redis has lost that scan's place.
 */
import { KeptScans, ScanPipeline, ScanSummary } from "@eco2/actors/protocol"
import { JobStore } from "@eco2/core/client"
import type { Job } from "@eco2/core/client"
import { OutageLog } from "@eco2/core/telemetry"
import { Effect } from "effect"
import { fromRedis } from "./SubmitRefusal.ts"

const patience = "3 seconds"

interface Place {
  /** ISO; null: of an earlier version's cursor. */
  readonly createdAt: string | null
  readonly id: string
}

const placeOf = (cursor: string): Place => {
  const [id = "", created] = cursor.split("_").toReversed()
  return { id, createdAt: created === undefined ? null : new Date(Number(created)).toISOString() }
}
const cursorOf = ({ created_at, job_id }: ScanSummary.ScanSummary) => `${Date.parse(created_at)}_${job_id}`

export const make = Effect.gen(function* () {
  const store = yield* JobStore.JobStore
  const kept = yield* KeptScans.KeptScans
  const outage = OutageLog.make("kept scans cannot be read", "kept scans are read again")

  /** Null: the database does not answer. */
  const read = <A>(what: Effect.Effect<ReadonlyArray<A>, KeptScans.KeptScansUnavailable>) =>
    what.pipe(
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () => Effect.fail(new KeptScans.KeptScansUnavailable({ reason: "no answer in time" }))
      }),
      Effect.tap(() => outage.over),
      Effect.catch((error) => Effect.as(outage.failed(error), null))
    )

  /** The scan, if it is the user's and can be read; what has expired since it was listed is null. */
  const ofJob = Effect.fnUntraced(function* (id: Job.JobId, user: string) {
    const job = yield* store.get(id).pipe(
      Effect.catchTag("JobUnreadable", () => Effect.succeed(null)),
      Effect.mapError(fromRedis)
    )
    return job === null || job.owner !== user || job.pipeline !== ScanPipeline.name
      ? null
      : yield* ScanSummary.ofJob(job)
  })

  return {
    /** `cursor`: of the page before, null for the first. */
    page: Effect.fnUntraced(function* (user: string, cursor: string | null, limit: number) {
      const ids = yield* Effect.mapError(store.ofOwner(user), fromRedis)
      const before = cursor === null ? null : placeOf(cursor)
      const at = before === null ? 0 : ids.findIndex((id) => id === before.id) + 1
      const scans: Array<ScanSummary.ScanSummary> = []
      let complete = true
      // a place that Redis no longer lists is behind all that it lists
      let next = before === null || at > 0 ? at : ids.length
      while (next < ids.length && scans.length < limit) {
        const some = ids.slice(next, next + limit - scans.length)
        const found = yield* Effect.forEach(some, (id) => ofJob(id, user), { concurrency: "unbounded" })
        const gone = some.filter((_, i) => found[i] === null)
        const rows = gone.length === 0 || !complete ? [] : yield* read(kept.some(user, gone))
        if (rows === null) complete = false
        const stored = new Map((rows ?? []).map((row) => [row.job_id, ScanSummary.ofStored(row)]))
        scans.push(...some.flatMap((id, i) => found[i] ?? stored.get(id) ?? []))
        next += some.length
      }
      let more = next < ids.length
      const last = scans.at(-1)
      const after = last === undefined ? before : { id: last.job_id, createdAt: last.created_at }
      const isLost = after !== null && after.createdAt === null && at === 0
      if (!more && complete && !isLost) {
        const place = after === null || after.createdAt === null ? null : { id: after.id, createdAt: after.createdAt }
        const room = limit - scans.length
        const rows = yield* read(kept.page(user, { after: place, without: ids, limit: room + 1 }))
        if (rows === null) complete = false
        scans.push(...(rows ?? []).slice(0, room).map(ScanSummary.ofStored))
        more = (rows ?? []).length > room
      }
      const end = scans.at(-1)
      return {
        scans,
        next_cursor: more && end !== undefined ? cursorOf(end) : null,
        has_more: more && end !== undefined,
        complete
      }
    })
  }
})
