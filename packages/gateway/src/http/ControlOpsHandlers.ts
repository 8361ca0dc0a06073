/**
 * ControlOpsHandlers: the operators' calls that pause mailboxes and drain processes, by Policies. Both last until they are undone;
 * the drain of a process that is gone is forgotten with the next drain. Changes are logged.
 */
import { Policies } from "@eco2/core/client"
import type { Topic } from "@eco2/core/client"
import { Fleet } from "@eco2/core/operations"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as InternalSecret from "../auth/InternalSecret.ts"
import * as OpsMailboxes from "./OpsMailboxes.ts"
import { fromRedis } from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"
import { nothing } from "./WrongField.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "controls",
  Effect.fnUntraced(function* (handlers) {
    const policies = yield* Policies.Policies
    const fleet = yield* Fleet.Fleet
    const { all, known } = yield* OpsMailboxes.make
    const published = (change: Effect.Effect<void, Topic.PublishError>) =>
      change.pipe(
        // cannot happen: the number of mailboxes and processes is bounded
        Effect.catchTags({ TopicFull: Effect.die, TopicEventTooLarge: Effect.die }),
        Effect.mapError(fromRedis)
      )

    const pause = Effect.fnUntraced(function* (name: string, isPaused: boolean) {
      const mailbox = yield* known(name)
      const before = policies.paused().get(mailbox) ?? null
      yield* published(policies.pause(mailbox, isPaused))
      const paused_since = isPaused ? (policies.paused().get(mailbox) ?? Date.now()) : null
      yield* InternalSecret.changed({ paused_since: before }, { paused_since })
      yield* Effect.logInfo(isPaused ? "mailbox paused by an operator" : "mailbox resumed by an operator").pipe(
        Effect.annotateLogs({ mailbox })
      )
      return { mailbox, paused_since }
    })

    const drain = Effect.fnUntraced(function* (token: string, isDrained: boolean) {
      const members = yield* Effect.mapError(fleet.members(yield* all), fromRedis)
      const member = members.find((one) => one.token === token)
      if (member === undefined) return yield* nothing
      const before = policies.draining().get(token) ?? null
      const gone = [...policies.draining().keys()].filter((one) => !members.some((other) => other.token === one))
      yield* Effect.forEach(gone, (one) => published(policies.drain(one, false)), { discard: true })
      yield* published(policies.drain(token, isDrained))
      const draining_since = isDrained ? (policies.draining().get(token) ?? Date.now()) : null
      yield* InternalSecret.changed({ draining_since: before }, { draining_since })
      yield* Effect.logInfo(isDrained ? "process drained by an operator" : "process resumed by an operator").pipe(
        Effect.annotateLogs({ process: token })
      )
      return { token, draining_since, in_flight: member.inFlight }
    })

    return handlers
      .handle("pauseMailbox", ({ params }) => pause(params.mailbox, true))
      .handle("resumeMailbox", ({ params }) => pause(params.mailbox, false))
      .handle("drainProcess", ({ params }) => drain(params.token, true))
      .handle("resumeProcess", ({ params }) => drain(params.token, false))
  })
)
