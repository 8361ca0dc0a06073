/**
 * ConsoleHandlers: the calls of ConsoleApi. A session is a cookie that scripts cannot read, for the operators' calls alone, and
 * is sent to our own pages only. Dead letters are counted over the newest of each mailbox, so that a look has an end.
 */
import { JobStore } from "@eco2/core/client"
import type { Job } from "@eco2/core/client"
import { AuditLog, DeadLetters } from "@eco2/core/operations"
import { Refusal } from "@eco2/core/http"
import { Clock, Duration, Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpEffect, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import * as InternalSecret from "../auth/InternalSecret.ts"
import * as OperatorGate from "../auth/OperatorGate.ts"
import * as OperatorSession from "../auth/OperatorSession.ts"
import { SignIn } from "./ConsoleApi.ts"
import * as JsonBody from "./JsonBody.ts"
import { usualLimit } from "./OpsWords.ts"
import * as OpsMailboxes from "./OpsMailboxes.ts"
import { fromRedis } from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"
import { nothing } from "./WrongField.ts"

/** Letters of a mailbox that are counted. */
const mostCounted = 10_000
const path = "/api/v1/internal"

const decodeSignIn = JsonBody.decoder(SignIn, {})
const unreadable = Refusal.make(400, "INVALID_JSON", "the body could not be read, or is too large")
/** Bytes of a body; a name and a secret. */
const mostBody = 4_096

const isSecure = ({ headers, originalUrl }: HttpServerRequest.HttpServerRequest) =>
  headers["x-forwarded-proto"] === "https" || originalUrl.startsWith("https:")

const setCookie = (value: string, life: Duration.Duration) =>
  HttpEffect.appendPreResponseHandler((request, response) =>
    Effect.orDie(
      HttpServerResponse.setCookie(response, OperatorSession.cookie, value, {
        httpOnly: true,
        sameSite: "strict",
        secure: isSecure(request),
        path,
        maxAge: life
      })
    )
  )

const session = (secrets: OperatorGate.Secrets) =>
  HttpApiBuilder.group(
    Api,
    "session",
    Effect.fnUntraced(function* (handlers) {
      const audit = yield* AuditLog.AuditLog
      const roleOf = OperatorGate.roles(secrets)
      const key = Option.match(secrets.operator, { onNone: () => "", onSome: Redacted.value })
      const signIn = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
        const text = yield* Effect.mapError(request.text, () => unreadable)
        if (text.length > mostBody) return yield* unreadable
        const { secret, who } = yield* Effect.flatMap(JsonBody.parse(text), decodeSignIn)
        const role = key === "" ? null : roleOf(secret)
        const act = { who, role: role ?? "", what: "session.signIn", target: "", before: "", after: "" }
        yield* audit
          .record({ ...act, outcome: role === null ? "FORBIDDEN" : "ok" })
          .pipe(
            Effect.catch((error) =>
              Effect.logError("a sign-in is not in the audit log").pipe(
                Effect.annotateLogs({ who, error: error.message })
              )
            )
          )
        if (role === null) return yield* Refusal.make(403, "FORBIDDEN", "the secret is wrong")
        const until = (yield* Clock.currentTimeMillis) + OperatorSession.lifeMillis
        yield* setCookie(OperatorSession.issue({ who, role, until }, key), Duration.millis(OperatorSession.lifeMillis))
        yield* Effect.logInfo("operator signed in").pipe(Effect.annotateLogs({ who, role }))
        return { who, role }
      })
      // by hand: text that is not JSON is 400, whatever its content type, and a wrong field is 422
      return handlers.handleRaw("signIn", ({ request }) => signIn(request))
    })
  )

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

const console = HttpApiBuilder.group(
  Api,
  "console",
  Effect.fnUntraced(function* (handlers) {
    const audit = yield* AuditLog.AuditLog
    const letters = yield* DeadLetters.DeadLetters
    const store = yield* JobStore.JobStore
    const { all } = yield* OpsMailboxes.make

    const jobOf = Effect.fnUntraced(function* (id: Job.JobId) {
      const job = yield* store
        .get(id)
        .pipe(
          Effect.mapError((error) =>
            error._tag === "JobUnreadable" ? Refusal.make(409, "JOB_UNREADABLE", error.message) : fromRedis(error)
          )
        )
      return job === null ? yield* nothing : job
    })

    const groupsOf = (found: ReadonlyArray<DeadLetters.Letter>) => {
      const byCause = Map.groupBy(found, ({ cause }) => cause)
      return [...byCause].map(([cause, its]) => {
        const latest = its.reduce((one, other) => (other.last > one.last ? other : one))
        return {
          mailbox: latest.mailbox,
          cause,
          letters: its.length,
          first: its.reduce((least, { first }) => Math.min(least, first), latest.first),
          last: latest.last,
          sample: { id: latest.id, job_id: latest.jobId, message: latest.message }
        }
      })
    }

    return handlers
      .handle("me", () =>
        Effect.map(InternalSecret.Operating, (operating) => ({
          who: operating?.who ?? "",
          role: operating?.role ?? ("viewer" as const)
        }))
      )
      .handle("signOut", () => setCookie("", Duration.zero))
      .handle("audit", ({ query: { before, limit = usualLimit } }) =>
        Effect.map(Effect.mapError(audit.list({ limit, before: before ?? null }), fromRedis), (entries) => ({
          entries
        }))
      )
      .handle(
        "groups",
        Effect.fnUntraced(function* () {
          const found = yield* Effect.forEach(
            yield* all,
            (mailbox) => Effect.mapError(letters.list(mailbox, { limit: mostCounted }), fromRedis),
            { concurrency: 4 }
          )
          return {
            groups: found.flatMap(groupsOf).toSorted((a, b) => b.last - a.last),
            complete: found.every((one) => one.length < mostCounted)
          }
        })
      )
      .handle(
        "reveal",
        Effect.fnUntraced(function* ({ params: { job_id } }) {
          const job = yield* jobOf(job_id)
          return {
            input: job.input,
            outputs: Object.fromEntries(
              job.plan.flatMap(({ name }) => {
                const text = job.outputs.get(name)
                return text === undefined ? [] : [[name, Option.getOrElse(decodeJson(text), () => text)] as const]
              })
            )
          }
        })
      )
  })
)

export const layer = (secrets: OperatorGate.Secrets) => Layer.merge(session(secrets), console)
