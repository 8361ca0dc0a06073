/**
 * NextForm: asking again after a server has refused the form of a request: the API it does not know, a parameter, a schema. The
 * adapter has left that part out by then. Each request is a call of the port, with its own row in the ledger (free), its own
 * count, and its own place within the limit.
 */
import { Effect } from "effect"
import { factsOf, ModelUnsuitable } from "./ModelError.ts"
import type { ModelError } from "./ModelError.ts"

/** Each refusal leaves out one part, and a request has no more parts that can be left out. */
const mostRefusals = 9

/** Runs a call of a port until its form is not refused, ten times at most. */
export const through = <A, R>(call: Effect.Effect<A, ModelError, R>, refusals = 0): Effect.Effect<A, ModelError, R> =>
  Effect.catchTag(call, "ModelFormRefused", (error) =>
    refusals < mostRefusals ? through(call, refusals + 1) : Effect.fail(new ModelUnsuitable(factsOf(error)))
  )
