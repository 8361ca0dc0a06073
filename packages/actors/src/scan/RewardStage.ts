/**
 * RewardStage: determines what the scan earns, if it is eligible (Eligibility). A target that cannot be asked in time does not
 * hold the scan: it completes without a reward, and the target decides later, by messages that go out with this stage's commit
 * (J3). RewardTargets lists what can be earned. As the last stage it also sends, with the same commit, the message that keeps the
 * user's scan (HistoryActor).
 */
import { Pipeline, Replies, StageBehavior } from "@eco2/core"
import { Clock, Effect, Metric } from "effect"
import { HistoryActor, keptAnswer } from "../history/HistoryActor.ts"
import { retention } from "../history/HistoryConfig.ts"
import { isEligible } from "./Eligibility.ts"
import { targets } from "./RewardTargets.ts"
import { ScanPipeline } from "./ScanPipeline.ts"

/** Rewards that could not be decided with their scan, by `target`. */
const rewardsPending = Metric.counter("eco2_rewards_pending_total", {
  incremental: true,
  description: "rewards that could not be decided with their scan"
})

type Values = Pipeline.Read<typeof ScanPipeline, "reward">

/** The message that keeps a done scan. */
const keeping = ({ answer, input, vision }: Values, job: StageBehavior.StageJob, character: string | null) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    HistoryActor.message("KeepScan", {
      jobId: job.id,
      userId: job.owner,
      created: job.created,
      ended: Math.max(now, job.created),
      language: input.language,
      classification: vision.result.classification,
      answer: keptAnswer(answer.answer.user_answer),
      character,
      simulated: vision.use.simulated
    })
  )

export const layer = StageBehavior.layer(
  ScanPipeline,
  "reward",
  Effect.gen(function* () {
    const replies = yield* Replies.Replies
    const isKept = (yield* retention) !== null

    const earned = Effect.fnUntraced(function* ({ answer, input, rule, vision }: Values, job: StageBehavior.StageJob) {
      const { classification } = vision.result
      if (!isEligible(classification, rule?.key ?? null, answer.answer.insufficiencies.length)) return null
      const earning = { scanId: job.id, owner: job.owner, classification, language: input.language }
      for (const target of targets) {
        const grant = yield* target.grant(earning).pipe(
          Effect.provideService(Replies.Replies, replies),
          Effect.catchCause((cause) =>
            Effect.logWarning("a reward could not be decided; it is decided later", cause).pipe(
              Effect.annotateLogs({ target: target.name, job_id: job.id }),
              Effect.andThen(Metric.update(Metric.withAttributes(rewardsPending, { target: target.name }), 1)),
              Effect.andThen(Effect.map(target.later(earning), (tells) => ({ reward: null, tells })))
            )
          )
        )
        if (grant === null) continue
        for (const message of grant.tells) yield* job.tell(message)
        return grant.reward
      }
      return null
    })

    return Effect.fnUntraced(function* (values: Values, job: StageBehavior.StageJob) {
      const reward = yield* earned(values, job)
      if (isKept && job.owner !== "") yield* job.tell(yield* keeping(values, job, reward?.name ?? null))
      return reward
    })
  })
)
