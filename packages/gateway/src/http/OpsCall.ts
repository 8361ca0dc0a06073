/** OpsCall: what all calls of operators share: the secret is checked first, answers are JSON that nobody keeps. */
import type { RedisError } from "@eco2/core/client"
import { Effect } from "effect"
import type { Option, Redacted } from "effect"
import { HttpServerResponse } from "effect/http"
import type { HttpServerRequest } from "effect/http"
import * as InternalSecret from "../auth/InternalSecret.ts"
import { refusal, respond, unavailable } from "./HttpErrors.ts"
import type { HttpRefusal } from "./HttpErrors.ts"

type Response = Effect.Effect<HttpServerResponse.HttpServerResponse, HttpRefusal>

export const notFound = refusal(404, "NOT_FOUND", "not found")
export const fromRedis = (error: RedisError.RedisError): HttpRefusal =>
  unavailable(error._tag === "RedisFull" ? "the store is full" : "the store does not answer; try again")
export const json = (body: unknown) => HttpServerResponse.jsonUnsafe(body, { headers: { "cache-control": "no-store" } })

const mostAtOnce = 1_000
/** How many are answered: 100 unless asked otherwise. */
export const limitOf = (asked: number | undefined) => Math.max(1, Math.min(mostAtOnce, Math.floor(asked ?? 100) || 1))

/** Runs a call for whoever knows the secret. */
export const guard = (secret: Option.Option<Redacted.Redacted>) => {
  const { isKnownBy } = InternalSecret.make(secret)
  return (request: HttpServerRequest.HttpServerRequest, call: Response) =>
    respond(isKnownBy(request) ? call : Effect.fail(InternalSecret.forbidden))
}
