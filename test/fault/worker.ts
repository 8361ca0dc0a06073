/**
 * A worker of the fault suite: the errand's four stages, each one call to the model server at MODEL_URL, on the same runtime as
 * every role. WORKER names the process in the ledger.
 */
import { Client, RedisError, Retry, StageBehavior, Worker } from "@eco2/core"
import type { CallLedger, PaidCalls } from "@eco2/core"
import { Role } from "@eco2/core/service"
import { Duration, Effect, Exit, Layer, Schedule, Schema } from "effect"
import { attemptsPerRound, Errand } from "./Errand.ts"
import type { StageName } from "./Errand.ts"

class ModelBusy extends Schema.TaggedError<ModelBusy>()("ModelBusy", {}) {}
/** The line was cut, or the process is ending: nobody knows whether the call was billed. */
class ModelCut extends Schema.TaggedError<ModelCut>()("ModelCut", {}) {}
class ModelLimited extends Schema.TaggedError<ModelLimited>()("ModelLimited", { millis: Schema.Int }) {}
class ModelRefused extends Schema.TaggedError<ModelRefused>()("ModelRefused", {}) {}
type ModelError = ModelBusy | ModelCut | ModelLimited | ModelRefused

const modelUrl = process.env.MODEL_URL ?? ""
const worker = process.env.WORKER ?? ""

const Answer = Schema.Struct({ words: Schema.String })

const call = (stage: StageName, number: number, job: StageBehavior.StageJob) =>
  Effect.suspend(() => {
    const body = JSON.stringify({ worker, stage, number, job: job.id, attempt: job.begins, begunAt: Date.now() })
    return Effect.tryPromise({
      try: async (signal) => {
        const response = await fetch(modelUrl, { method: "POST", body, signal })
        return { status: response.status, body: await response.json() }
      },
      catch: () => new ModelCut()
    })
  }).pipe(
    Effect.flatMap(({ body, status }): Effect.Effect<typeof Answer.Type, ModelError> => {
      if (status === 429) return Effect.fail(new ModelLimited({ millis: 150 }))
      if (status === 422) return Effect.fail(new ModelRefused())
      return status === 200 ? Effect.orDie(Schema.decodeUnknownEffect(Answer)(body)) : Effect.fail(new ModelBusy())
    })
  )

/** The model server bills the answers it has given, and nothing else. */
const billOf = (exit: Exit.Exit<unknown, ModelError>): CallLedger.Bill => {
  if (Exit.isSuccess(exit)) return { outcome: "ok" }
  const error = Exit.findError(exit)
  return { outcome: error._tag === "Success" && error.success._tag !== "ModelCut" ? "free" : "uncertain" }
}
const paid = (stage: StageName, number: number, job: StageBehavior.StageJob) =>
  job.pay(
    { service: "model", request: `${stage}-${number}`, lasts: "5 seconds", bill: billOf },
    call(stage, number, job)
  )

const retry = Retry.policy<ModelError | PaidCalls.NotMade>({
  never: ["ModelRefused"],
  retryAfter: (error) =>
    error._tag === "ModelLimited"
      ? Duration.millis(error.millis)
      : error._tag === "AttemptOver" || RedisError.isRedisError(error)
        ? Duration.millis(200)
        : null,
  otherwise: Schedule.spaced("100 millis").pipe(Schedule.upTo({ times: attemptsPerRound - 1 }))
})

const stage = (name: StageName) =>
  StageBehavior.layer(
    Errand,
    name,
    Effect.succeed(({ input }: { readonly input: { readonly number: number } }, job: StageBehavior.StageJob) =>
      paid(name, input.number, job)
    ),
    { retry }
  )

Role.run({
  role: worker,
  app: Layer.mergeAll(stage("look"), stage("weigh"), stage("write"), stage("send"), Worker.telemetry).pipe(
    Layer.provide(Worker.layer({ role: worker })),
    Layer.provide(Client.fromEnvironment)
  )
})
