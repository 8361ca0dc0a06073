/**
 * PolicyOpsHandlers: the operators' calls on policies. If two operators change one setting at once, the later one wins; settings
 * that a call does not name stay unchanged. Changes are logged.
 */
import { Policies } from "@eco2/core/client"
import { Refusal } from "@eco2/core/http"
import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import * as InternalSecret from "../auth/InternalSecret.ts"
import * as JsonBody from "./JsonBody.ts"
import * as OpsMailboxes from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"

const decodeChange = JsonBody.decoder(Policies.Change, { onExcessProperty: "error" })
const unreadable = (detail: string) => Refusal.make(400, "INVALID_JSON", detail)
/** Bytes of a body; a policy has five numbers. */
const mostBody = 4_096

const stateOf = (mailbox: string, policy: Policies.Policy) => ({
  mailbox,
  capacity: policy.capacity ?? null,
  timeout_ms: policy.timeout_ms ?? null,
  attempts: policy.attempts ?? null,
  redrives: policy.redrives ?? null,
  redrive_ms: policy.redrive_ms ?? null
})

const read = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  const text = yield* Effect.mapError(request.text, () => unreadable("the body could not be read, or is too large"))
  if (text.length > mostBody) return yield* unreadable("the body is too large for a policy")
  return yield* Effect.flatMap(JsonBody.parse(text), decodeChange)
})

export const layer = HttpApiBuilder.group(
  Api,
  "policies",
  Effect.fnUntraced(function* (handlers) {
    const policies = yield* Policies.Policies
    const { known } = yield* OpsMailboxes.make
    return (
      handlers
        .handle("list", () =>
          Effect.sync(() => [...policies.all()].map(([mailbox, policy]) => stateOf(mailbox, policy)))
        )
        // by hand: text that is not JSON is 400, whatever its content type, and a wrong field is 422
        .handleRaw(
          "change",
          Effect.fnUntraced(function* ({ params: { mailbox }, request }) {
            yield* known(mailbox)
            const before = policies.all().get(mailbox) ?? {}
            const policy = yield* policies.change(mailbox, yield* read(request)).pipe(
              // cannot happen: the number of mailboxes and the size of a policy are bounded
              Effect.catchTags({ TopicFull: Effect.die, TopicEventTooLarge: Effect.die }),
              Effect.mapError(OpsMailboxes.fromRedis)
            )
            yield* InternalSecret.changed(stateOf(mailbox, before), stateOf(mailbox, policy))
            yield* Effect.logInfo("policy changed by an operator").pipe(Effect.annotateLogs({ mailbox, policy }))
            return stateOf(mailbox, policy)
          })
        )
    )
  })
)
