/**
 * MailboxCapacity: how many entries one partition of a mailbox may hold: the operator's policy, or else MAILBOX_CAPACITY,
 * divided by the number of partitions.
 */
import { Effect } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Policies } from "./Policies.ts"

/** Read at each call, so a changed policy applies from the next submit or tell. */
export const perPartition: Effect.Effect<(mailbox: string) => number, never, CoreConfig | Policies> = Effect.gen(
  function* () {
    const { mailboxCapacity, partitions } = yield* CoreConfig
    const policies = yield* Policies
    return (mailbox) => Math.max(1, Math.ceil((policies.of(mailbox).capacity ?? mailboxCapacity) / partitions))
  }
)
