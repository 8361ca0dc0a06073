/**
 * SuspectJobs: jobs that were in work when a process died begin when and as ActorSystem.judge says (A2): in a group, alone, later,
 * or never again. Costs one call for all of a read, beside the one that found them. Used by StageBehavior; the rules are
 * mailbox/Suspicion's. For messages without a job: Settlement.guarded.
 */
import { Effect, Exit } from "effect"
import * as Jitter from "../clock/Jitter.ts"
import type { Job } from "../job/Job.ts"
import type { BeginReply, Holding, Turn } from "../job/JobStore.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import * as Suspicion from "../mailbox/Suspicion.ts"
import type { ActorSystem } from "../worker/ActorSystem.ts"
import type { StageOutcome } from "./StageOutcome.ts"

/** A job that begin has looked at and not begun; `record`, `fresh`: JobStore.BeginReply. */
export interface Suspect {
  readonly delivery: Delivery
  readonly holding: Holding
  readonly record: number
  readonly fresh: boolean
}

/** What StageBehavior does with an entry. */
export interface Stage {
  /** Replies in the order of the holdings; none when Redis did not answer, and the entries were postponed. */
  readonly begin: (
    deliveries: ReadonlyArray<Delivery>,
    holdings: ReadonlyArray<Holding>,
    turns?: ReadonlyArray<Turn>
  ) => Effect.Effect<ReadonlyArray<BeginReply>>
  readonly takeUp: (delivery: Delivery, holding: Holding, begun: BeginReply) => Effect.Effect<void>
  /** Runs a begun job, and returns when its delivery has no work here any more. */
  readonly run: (delivery: Delivery, holding: Holding, job: Job) => Effect.Effect<void>
  readonly giveUp: StageOutcome<never>["giveUp"]
  /** The token of a begin after which the job runs alone. */
  readonly tokenAlone: (consumer: string) => string
}

export interface SuspectJobs {
  readonly take: (suspects: ReadonlyArray<Suspect>) => Effect.Effect<void>
}

export const make = (system: ActorSystem["Service"], stage: Stage): SuspectJobs => {
  const beginOne = (delivery: Delivery, holding: Holding, turn: Turn) =>
    Effect.map(stage.begin([delivery], [holding], [turn]), ([begun]) => begun)

  /** Waits until nothing else is in work here, then begins. Interrupted before, it leaves its entry pending, and uncounted. */
  const whenAlone = (delivery: Delivery, holding: Holding): Effect.Effect<void> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const turn = yield* Effect.exit(restore(system.alone(delivery)))
        if (Exit.isFailure(turn)) return system.postpone(delivery)
        if (!turn.value) {
          const putOffMillis = Jitter.millis(Suspicion.againMillis)
          const put = yield* beginOne(delivery, holding, { putOffMillis })
          system.wakeIn(holding.partition, putOffMillis)
          return put === undefined ? undefined : yield* stage.takeUp(delivery, holding, put)
        }
        const alone = { ...holding, token: stage.tokenAlone(delivery.consumer) }
        const begun = yield* beginOne(delivery, alone, "run")
        if (begun === undefined) return
        if (begun._tag !== "Run") return yield* stage.takeUp(delivery, alone, begun)
        yield* Effect.logInfo("a suspect of a crash runs alone").pipe(
          Effect.annotateLogs({ job_id: holding.id, stage: holding.home, ...Suspicion.read(begun.job.deliveries) })
        )
        return yield* stage.run(delivery, alone, begun.job)
      })
    )

  return {
    take: Effect.fnUntraced(function* (suspects) {
      const turns: Array<Suspect & { readonly turn: Turn; readonly guilt: Suspicion.History | null }> = []
      for (const suspect of suspects) {
        const { delivery, holding } = suspect
        const history = Suspicion.read(suspect.record)
        const verdict = system.judge(delivery, history, suspect.fresh)
        if (verdict._tag === "alone") yield* system.work(delivery, whenAlone(delivery, holding))
        else if (verdict._tag === "pause")
          turns.push({ ...suspect, turn: { putOffMillis: Jitter.millis(verdict.millis) }, guilt: null })
        else turns.push({ ...suspect, turn: "run", guilt: verdict._tag === "guilty" ? history : null })
      }
      if (turns.length === 0) return
      const begun = yield* stage.begin(
        turns.map(({ delivery }) => delivery),
        turns.map(({ holding }) => holding),
        turns.map(({ turn }) => turn)
      )
      for (const [i, one] of begun.entries()) {
        const { delivery, guilt, holding, turn } = turns[i]!
        if (typeof turn !== "string") system.wakeIn(holding.partition, turn.putOffMillis)
        if (guilt === null || one._tag !== "Run") {
          yield* stage.takeUp(delivery, holding, one)
          continue
        }
        const failure = { tag: Suspicion.guiltyTag, message: Suspicion.accusation("job", guilt) }
        yield* system.work(delivery, stage.giveUp({ delivery, holding, job: one.job }, failure, 0))
      }
    })
  }
}
