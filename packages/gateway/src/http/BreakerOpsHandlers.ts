/** BreakerOpsHandlers: the operators' calls on breakers. An operator's changes are logged. */
import { BreakerList } from "@eco2/core/operations"
import { Duration, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as InternalSecret from "../auth/InternalSecret.ts"
import { usualOpenMillis } from "./BreakerOpsApi.ts"
import { fromRedis } from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"
import { nothing } from "./WrongField.ts"

const stateOf = (breaker: BreakerList.BreakerState) => ({
  name: breaker.name,
  state: breaker.state,
  left_ms: breaker.leftMillis,
  openings: breaker.openings,
  failures: breaker.failures,
  by_operator: breaker.byHand
})

export const layer = HttpApiBuilder.group(
  Api,
  "breakers",
  Effect.fnUntraced(function* (handlers) {
    const breakers = yield* BreakerList.BreakerList
    const stateBefore = (name: string) =>
      Effect.map(
        Effect.mapError(breakers.list, fromRedis),
        (all) => all.find((one) => one.name === name)?.state ?? null
      )
    const act = Effect.fnUntraced(function* (name: string, millis: number | null) {
      const before = yield* stateBefore(name)
      yield* Effect.mapError(
        millis === null ? breakers.close(name) : breakers.open(name, Duration.millis(millis)),
        (error) => (error._tag === "BreakerUnknown" ? nothing : fromRedis(error))
      )
      const outcome = millis === null ? "closed" : "open"
      yield* InternalSecret.changed(
        { state: before },
        { state: outcome, ...(millis === null ? {} : { for_ms: millis }) }
      )
      yield* Effect.logInfo(millis === null ? "breaker closed by an operator" : "breaker opened by an operator").pipe(
        Effect.annotateLogs({ breaker: name, ...(millis === null ? {} : { for_ms: millis }) })
      )
      return { outcome }
    })
    return handlers
      .handle("list", () => Effect.map(Effect.mapError(breakers.list, fromRedis), (all) => all.map(stateOf)))
      .handle("open", ({ params, query: { for_ms = usualOpenMillis } }) => act(params.breaker, for_ms))
      .handle("close", ({ params }) => act(params.breaker, null))
  })
)
