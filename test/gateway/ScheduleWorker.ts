/** ScheduleWorker: a worker with one schedule, `nightly`, that never fires by itself; its runs wait for `letGo`. */
import { CoreConfig, Pipeline, Schedule, Stage, StageBehavior, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Deferred, Duration, Effect, Layer, ManagedRuntime, Schema } from "effect"

const Sweep = Schema.Struct({ slot: Schema.String })
const SweepPipeline = Pipeline.make("sweep", { input: Sweep }).add(
  Stage.make("clean", { needs: { input: Sweep }, output: Schema.Struct({}), progress: 100 })
)

export interface ScheduleWorker {
  /** Lets the runs end, later ones too. */
  readonly letGo: () => Promise<void>
  readonly stop: () => Promise<void>
}

export const start = async (redisUrl: string): Promise<ScheduleWorker> => {
  const gate = Deferred.makeUnsafe<void>()
  const runtime = ManagedRuntime.make(
    Layer.merge(
      StageBehavior.layer(
        SweepPipeline,
        "clean",
        Effect.succeed(() => Effect.as(Deferred.await(gate), {}))
      ),
      Schedule.cron(
        "nightly",
        { expression: "0 0 29 2 *", timeZone: "Asia/Seoul" },
        { pipeline: SweepPipeline, input: (slot) => ({ slot: slot.toISOString() }) }
      )
    ).pipe(
      Layer.provide(Worker.layer({ role: "sweeper" })),
      Layer.provide(
        Layer.merge(RedisClient.layerUrl(redisUrl), CoreConfig.layerWith({ shutdownGrace: Duration.millis(100) }))
      ),
      Layer.fresh
    )
  )
  await runtime.runPromise(Effect.void)
  return {
    letGo: () => Effect.runPromise(Effect.asVoid(Deferred.succeed(gate, undefined))),
    stop: () => runtime.dispose()
  }
}
