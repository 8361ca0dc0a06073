/** Mailboxes: the mailboxes of this package, in the order in which operators see them. */
import { CharacterActor } from "./character/CharacterActor.ts"
import { OwnershipActor, UserCharacterActor } from "./character/RewardActors.ts"
import { HistoryActor } from "./history/HistoryActor.ts"
import { ScanPipeline } from "./scan/ScanPipeline.ts"

export const mailboxes: ReadonlyArray<string> = [
  ...ScanPipeline.plan.map(({ mailbox }) => mailbox),
  ...[CharacterActor, OwnershipActor, UserCharacterActor, HistoryActor].map(({ name }) => name)
]
