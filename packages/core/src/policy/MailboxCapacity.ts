/**
 * MailboxCapacity: how many entries a partition of a mailbox may hold: what an operator has set, else MAILBOX_CAPACITY, shared
 * out over the partitions.
 */
import { Effect } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Policies } from "./Policies.ts"

/** Looked up at each call: a policy holds from the next submit or tell on. */
export const perPartition: Effect.Effect<(mailbox: string) => number, never, CoreConfig | Policies> = Effect.gen(
  function* () {
    const { mailboxCapacity, partitions } = yield* CoreConfig
    const policies = yield* Policies
    return (mailbox) => Math.max(1, Math.ceil((policies.of(mailbox).capacity ?? mailboxCapacity) / partitions))
  }
)
