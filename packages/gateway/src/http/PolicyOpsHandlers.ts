/**
 * PolicyOpsHandlers: the operator's calls on policies. Of two operators who change one setting at once the later has the last
 * word; what one does not name stays as the other left it. What was changed is said in the log.
 */
import { Policies } from "@eco2/core/client"
import { Effect, Schema } from "effect"
import type { Option, Redacted } from "effect"
import { HttpServerResponse } from "effect/http"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { invalid, refusal, unavailable } from "./HttpErrors.ts"
import type { HttpRefusal } from "./HttpErrors.ts"
import { guard, json } from "./OpsCall.ts"
import * as OpsMailboxes from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"

const decodeChange = Schema.decodeUnknownEffect(Policies.Change, { onExcessProperty: "error" })
/** A policy has five numbers. */
const mostBody = 4_096

const stateOf = (mailbox: string, policy: Policies.Policy) => ({
  mailbox,
  capacity: policy.capacity ?? null,
  timeout_ms: policy.timeout_ms ?? null,
  attempts: policy.attempts ?? null,
  redrives: policy.redrives ?? null,
  redrive_ms: policy.redrive_ms ?? null
})

const read = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest
): Effect.fn.Return<Policies.Change, HttpRefusal> {
  const text = yield* Effect.mapError(request.text, () => refusal(400, "INVALID_JSON", "the body could not be read"))
  if (text.length > mostBody) return yield* refusal(400, "INVALID_JSON", "the body is too large for a policy")
  const body = yield* Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: () => refusal(400, "INVALID_JSON", "the body is not JSON")
  })
  return yield* Effect.mapError(decodeChange(body), (issue) => invalid("policy", String(issue), "value_error"))
})

/** `secret`: INTERNAL_SECRET, none where it is not set. */
export const layer = (secret: Option.Option<Redacted.Redacted>) =>
  HttpApiBuilder.group(
    Api,
    "policies",
    Effect.fnUntraced(function* (handlers) {
      const policies = yield* Policies.Policies
      const { known } = yield* OpsMailboxes.make
      const guarded = guard(secret)
      const change = Effect.fnUntraced(function* (
        mailbox: string,
        request: HttpServerRequest.HttpServerRequest
      ): Effect.fn.Return<HttpServerResponse.HttpServerResponse, HttpRefusal> {
        yield* known(mailbox)
        const policy = yield* policies.change(mailbox, yield* read(request)).pipe(
          // bounded by the mailboxes there are, and by what a policy is
          Effect.catchTags({ TopicFull: Effect.die, TopicEventTooLarge: Effect.die }),
          Effect.mapError(() => unavailable("the store does not answer; try again"))
        )
        yield* Effect.logInfo("policy changed by an operator").pipe(Effect.annotateLogs({ mailbox, policy }))
        return json(stateOf(mailbox, policy))
      })
      return handlers
        .handleRaw("list", ({ request }) =>
          guarded(
            request,
            Effect.sync(() => json([...policies.all()].map(([mailbox, policy]) => stateOf(mailbox, policy))))
          )
        )
        .handleRaw("change", ({ params, request }) => guarded(request, change(params.mailbox, request)))
    })
  )
