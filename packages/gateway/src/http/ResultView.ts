/**
 * ResultView: a scan's result as its owner reads it: ScanResult's body, with what the savers know of its reward. A character is new
 * if this scan is the one that first earned it. Until it is saved, the user's other scans in Redis tell whether an earlier one
 * has earned it. While the database does not answer, nothing is said of it: a result never waits for it longer than a second.
 */
import { Characters, ScanPipeline, ScanResult, ScanSummary } from "@eco2/actors/protocol"
import { JobStore } from "@eco2/core/client"
import type { Job } from "@eco2/core/client"
import { Context, Effect, Layer } from "effect"

const patience = "1 second"
/** The user's latest scans that are asked; rewards of those before them are saved, or wait for the database. */
const scansLooked = 10

export class ResultView extends Context.Service<
  ResultView,
  {
    /** Null while the job is open. */
    readonly ofJob: (job: Job.Job) => Effect.Effect<ScanResult.ScanResult | null>
  }
>()("@eco2/gateway/http/ResultView") {}

const endedBefore = (other: Job.Job, job: Job.Job) => {
  const [one, two] = [other.ended ?? Infinity, job.ended ?? Infinity]
  return one < two || (one === two && other.id < job.id)
}

export const layer: Layer.Layer<ResultView, never, Characters.Characters | JobStore.JobStore> = Layer.effect(
  ResultView,
  Effect.gen(function* () {
    const characters = yield* Characters.Characters
    const store = yield* JobStore.JobStore

    /** Whether a scan of the user before this one has earned the same character. */
    const isEarnedBefore = Effect.fnUntraced(function* (job: Job.Job, name: string) {
      const latest = (yield* store.ofOwner(job.owner)).filter((id) => id !== job.id).slice(0, scansLooked)
      const found = yield* Effect.forEach(
        latest,
        (id) => Effect.catchTag(store.get(id), "JobUnreadable", () => Effect.succeed(null)),
        { concurrency: "unbounded" }
      )
      for (const other of found) {
        if (other === null || other.owner !== job.owner || other.pipeline !== ScanPipeline.name) continue
        if (other.state !== "done" || !endedBefore(other, job)) continue
        if ((yield* ScanSummary.ofJob(other)).character === name) return true
      }
      return false
    })
    const isNew = Effect.fnUntraced(function* (job: Job.Job, name: string) {
      const first = yield* characters.first(job.owner, name)
      if (first === null) return !(yield* isEarnedBefore(job, name))
      return first.scanId === null ? first.acquired >= job.created : first.scanId === job.id
    })

    return ResultView.of({
      ofJob: Effect.fnUntraced(function* (job) {
        const body = yield* ScanResult.ofJob(job)
        if (body === null || body.reward === null || job.owner === "") return body
        const received = yield* isNew(job, body.reward.name).pipe(
          Effect.timeoutOption(patience),
          Effect.map((known) => (known._tag === "Some" ? { received: known.value } : {})),
          Effect.catch((error) =>
            Effect.as(
              Effect.logDebug("whether a character is new is not known").pipe(
                Effect.annotateLogs({ job_id: job.id, error: error.message })
              ),
              {}
            )
          )
        )
        return { ...body, reward: { ...body.reward, ...received } }
      })
    })
  })
)
