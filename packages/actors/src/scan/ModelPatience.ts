/**
 * ModelPatience: how long a scan waits for a worker that serves its model. A gateway may offer a model before every worker knows
 * it, in each rollout that adds one; a scan that met such a worker waits for another.
 */
import { Setting } from "@eco2/core"
import { Duration, Effect } from "effect"
import { ModelRefused } from "../model/ModelError.ts"
import type { ModelError } from "../model/ModelError.ts"

/** MODEL_PATIENCE: how long after its submit a scan waits for a worker that serves its model, before it fails. Default 10 minutes. */
export const modelPatience = Setting.duration("MODEL_PATIENCE", { default: "10 minutes" })

/** Ends the wait for a model that nobody serves. */
export const within =
  (patience: Duration.Duration, ageMillis: number) =>
  <A, R>(call: Effect.Effect<A, ModelError, R>): Effect.Effect<A, ModelError, R> =>
    Effect.catchTag(call, "ModelNotServed", (error) =>
      Effect.fail(
        ageMillis < Duration.toMillis(patience)
          ? error
          : new ModelRefused({
              provider: error.provider,
              model: error.model,
              message: `no worker serves ${error.model}`,
              excerpt: ""
            })
      )
    )
