/**
 * PolicyOpsHandlers: the operator's calls on policies. Of two operators who change one setting at once the later has the last
 * word; what one does not name stays as the other left it. What was changed is said in the log.
 */
import { Policies } from "@eco2/core/client"
import { Refusal } from "@eco2/core/http"
import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import * as JsonBody from "./JsonBody.ts"
import * as OpsMailboxes from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"

const decodeChange = JsonBody.decoder(Policies.Change, { onExcessProperty: "error" })
const unreadable = (detail: string) => Refusal.make(400, "INVALID_JSON", detail)
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

const read = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  const text = yield* Effect.mapError(request.text, () => unreadable("the body could not be read"))
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
        // by hand: what is no JSON is 400, whatever its content type, and a wrong field 422
        .handleRaw(
          "change",
          Effect.fnUntraced(function* ({ params: { mailbox }, request }) {
            yield* known(mailbox)
            const policy = yield* policies.change(mailbox, yield* read(request)).pipe(
              // bounded by the mailboxes there are, and by what a policy is
              Effect.catchTags({ TopicFull: Effect.die, TopicEventTooLarge: Effect.die }),
              Effect.mapError(() => Refusal.unavailable("the store does not answer; try again"))
            )
            yield* Effect.logInfo("policy changed by an operator").pipe(Effect.annotateLogs({ mailbox, policy }))
            return stateOf(mailbox, policy)
          })
        )
    )
  })
)
