/** Mailboxes: every mailbox the work of this package is taken from, in the order operators see them. */
import { CharacterActor } from "./character/CharacterActor.ts"
import { OwnershipActor, UserCharacterActor } from "./character/RewardActors.ts"
import { ScanPipeline } from "./scan/ScanPipeline.ts"

export const mailboxes: ReadonlyArray<string> = [
  ...ScanPipeline.plan.map(({ mailbox }) => mailbox),
  ...[CharacterActor, OwnershipActor, UserCharacterActor].map(({ name }) => name)
]
