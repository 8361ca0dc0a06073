/**
 * Authorization: who asks. Answered before the body is looked at.
 *   jwt     a token says so, and X-User-ID nothing (Authentication)
 *   header  the mesh in front has checked the caller and set X-User-ID
 *   none    X-User-ID is believed, a request without one is the demo user's: one machine, one developer
 */
import { Context, Effect, Layer } from "effect"
import type { HttpServerRequest } from "effect/http"
import type { AuthMode } from "../GatewayConfig.ts"
import { refusal } from "../http/HttpErrors.ts"
import type { HttpRefusal } from "../http/HttpErrors.ts"
import * as Authentication from "./Authentication.ts"
import { TokenConfig } from "./TokenConfig.ts"

const demoUser = "demo"
/** Ids are text of another service: bounded, printable, nothing else is assumed. */
const userId = /^[^\p{C}\s](?:[^\p{C}]{0,253}[^\p{C}\s])?$/u

export class Authorization extends Context.Service<
  Authorization,
  {
    readonly user: (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<string, HttpRefusal>
  }
>()("@eco2/gateway/auth/Authorization") {}

const byHeader = (mode: Exclude<AuthMode, "jwt">) =>
  Authorization.of({
    user: (request) => {
      const given = request.headers["x-user-id"]
      if (given === undefined || given === "") {
        return mode === "none"
          ? Effect.succeed(demoUser)
          : Effect.fail(refusal(401, "UNAUTHORIZED", "X-User-ID is missing"))
      }
      return userId.test(given)
        ? Effect.succeed(given)
        : Effect.fail(refusal(401, "UNAUTHORIZED", "X-User-ID is not a user id"))
    }
  })

const byToken = Effect.gen(function* () {
  const { authenticate } = yield* Authentication.make(yield* TokenConfig)
  return Authorization.of({ user: ({ headers }) => Effect.map(authenticate(headers), ({ user }) => user) })
})

export const layer = (mode: AuthMode) =>
  mode === "jwt" ? Layer.effect(Authorization, byToken) : Layer.succeed(Authorization, byHeader(mode))
