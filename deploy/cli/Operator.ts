/**
 * Operator: the operator's calls of a gateway. What makes them (OperatorCalls: HTTP, the schemas of the answers) is loaded with the
 * first call, so that help and a wrong flag do not wait for it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Calls } from "./OperatorCalls.ts"

export class Operator extends Context.Service<Operator, { readonly ask: Calls["ask"] }>()("@eco2/cli/Operator") {
  static readonly layer: Layer.Layer<Operator> = Layer.effect(
    Operator,
    Effect.map(
      Effect.cached(
        Effect.flatMap(
          Effect.promise(() => import("./OperatorCalls.ts")),
          ({ make }) => make
        )
      ),
      (calls) => Operator.of({ ask: (call) => Effect.flatMap(calls, ({ ask }) => ask(call)) })
    )
  )
}
