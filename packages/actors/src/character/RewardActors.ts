/**
 * RewardActors: what is told when a user has earned a character: who owns it, and what the user is shown. Two actors, each
 * with its own table; apart from CharacterActor, so that a batch of saves never delays an ask.
 */
import { Actor } from "@eco2/core/client"
import { Ownership, UserCharacter } from "./Rewards.ts"

export const OwnershipActor = Actor.make("ownership", { SaveOwnership: Actor.tell({ payload: Ownership }) })

export const UserCharacterActor = Actor.make("user-character", {
  SaveUserCharacter: Actor.tell({ payload: UserCharacter })
})
