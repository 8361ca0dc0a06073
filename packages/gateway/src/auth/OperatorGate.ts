/**
 * OperatorGate: lets operators in, before anything else of the request is read, and says who they are. Answers are not cached.
 *   - by secret, the header X-Internal-Secret: INTERNAL_SECRET is an operator's, VIEWER_SECRET a viewer's; X-Operator may name who
 *   - by session, the cookie of the console (OperatorSession); a change needs the console's own origin
 * A viewer may only read (GET). Not set or empty: nobody is let in by that secret. What an operator did goes to the audit log.
 */
import { Refusal } from "@eco2/core/http"
import { AuditLog } from "@eco2/core/operations"
import { Clock, Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { createHash, timingSafeEqual } from "node:crypto"
import { InternalSecret, Operating } from "./InternalSecret.ts"
import type { Change, Operator } from "./InternalSecret.ts"
import * as OperatorSession from "./OperatorSession.ts"
import * as SameOrigin from "./SameOrigin.ts"

const forbidden = Refusal.make(403, "FORBIDDEN", "X-Internal-Secret is missing or wrong")
const readsOnly = Refusal.make(403, "FORBIDDEN", "a viewer may only read")

const digest = (text: string) => createHash("sha256").update(text).digest()
const textOf = Option.match({ onNone: () => "", onSome: (secret: Redacted.Redacted) => Redacted.value(secret) })

export interface Secrets {
  /** INTERNAL_SECRET; none if it is not set. */
  readonly operator: Option.Option<Redacted.Redacted>
  /** VIEWER_SECRET. */
  readonly viewer: Option.Option<Redacted.Redacted>
}

/** The role that a secret gives. The comparisons take constant time. */
export const roles = (secrets: Secrets) => {
  const wanted = (["operator", "viewer"] as const).map((role) => {
    const text = textOf(secrets[role])
    return { role, isSet: text !== "", digest: digest(text) }
  })
  return (given: string): OperatorSession.Role | null => {
    const its = digest(given)
    const found = wanted.filter((one) => timingSafeEqual(its, one.digest) && one.isSet)
    return found[0]?.role ?? null
  }
}

const isWho = Schema.is(OperatorSession.Who)
/** Parameters and query of a call, as in `mailbox=scan.vision cause=ModelTimeout`. */
const targetOf = (path: string, url: string): string => {
  const { pathname, searchParams } = new URL(url, "http://localhost")
  const values = pathname.split("/")
  const named = path
    .split("/")
    .flatMap((part, i) => (part.startsWith(":") ? [`${part.slice(1)}=${values[i] ?? ""}`] : []))
  return [...named, ...[...searchParams].map(([name, value]) => `${name}=${value}`)].join(" ")
}
const jsonOf = (value: unknown) => (value === undefined ? "" : JSON.stringify(value))

interface Asked {
  readonly endpoint: HttpApiEndpoint.Top
  readonly group: HttpApiGroup.Top
}

const hasCode = Schema.is(Schema.Struct({ code: Schema.String }))
/** A refusal's code; the middleware wraps what the handler fails with. */
const outcomeOf = (error: unknown): string => {
  const inner = typeof error === "object" && error !== null && "error" in error ? error.error : error
  return hasCode(inner) ? inner.code : "FAILED"
}

export const layer = (secrets: Secrets): Layer.Layer<InternalSecret, never, AuditLog.AuditLog> =>
  Layer.effect(
    InternalSecret,
    Effect.gen(function* () {
      const audit = yield* AuditLog.AuditLog
      const roleOf = roles(secrets)
      const secret = textOf(secrets.operator)

      const write = (operator: Operator & { readonly change: Change }, asked: Asked, url: string, outcome: string) =>
        audit
          .record({
            who: operator.who,
            role: operator.role,
            what: `${asked.group.identifier}.${asked.endpoint.identifier}`,
            target: targetOf(asked.endpoint.path, url),
            outcome,
            before: jsonOf(operator.change.before),
            after: jsonOf(operator.change.after)
          })
          .pipe(
            // the act is done: it is in the process's log
            Effect.catch((error) =>
              Effect.logError("an operator's act is not in the audit log").pipe(
                Effect.annotateLogs({ who: operator.who, what: asked.endpoint.identifier, error: error.message })
              )
            )
          )

      const letIn = <E, R>(
        call: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
        operator: Operator,
        asked: Asked
      ) =>
        Effect.gen(function* () {
          const isRead = asked.endpoint.method === "GET"
          const { url } = yield* HttpServerRequest.HttpServerRequest
          const operating = { ...operator, change: { before: undefined, after: undefined } }
          if (!isRead && operator.role !== "operator") {
            yield* write(operating, asked, url, readsOnly.code)
            return yield* readsOnly
          }
          const done = Effect.provideService(call, Operating, operating)
          return yield* isRead
            ? done
            : done.pipe(
                Effect.tap(() => write(operating, asked, url, "ok")),
                Effect.tapError((error) => write(operating, asked, url, outcomeOf(error)))
              )
        }).pipe(Effect.map(HttpServerResponse.setHeader("cache-control", "no-store")))

      return InternalSecret.of({
        internalSecret: (call, { credential, ...asked }) =>
          Effect.gen(function* () {
            const role = roleOf(Redacted.value(credential))
            if (role === null) return yield* forbidden
            const { headers } = yield* HttpServerRequest.HttpServerRequest
            const named = headers["x-operator"]
            return yield* letIn(call, { who: isWho(named) ? named : "secret", role }, asked)
          }),
        consoleSession: (call, { credential, ...asked }) =>
          Effect.gen(function* () {
            const session = OperatorSession.read(Redacted.value(credential), secret, yield* Clock.currentTimeMillis)
            if (session === null) return yield* forbidden
            const request = yield* HttpServerRequest.HttpServerRequest
            if (asked.endpoint.method !== "GET" && !SameOrigin.isOwnOrigin(request, [])) return yield* forbidden
            return yield* letIn(call, session, asked)
          })
      })
    })
  )
