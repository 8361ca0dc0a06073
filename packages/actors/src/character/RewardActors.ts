/**
 * RewardActors: the protocols of the two actors that save an earned character: who owns it, and what the user is shown. Each
 * writes its own table. They are separate from CharacterActor, so that a batch of saves never delays an ask.
 */
import { Actor } from "@eco2/core/client"
import { Ownership, UserCharacter } from "./RewardStore.ts"

export const OwnershipActor = Actor.make("ownership", { SaveOwnership: Actor.tell({ payload: Ownership }) })

export const UserCharacterActor = Actor.make("user-character", {
  SaveUserCharacter: Actor.tell({ payload: UserCharacter })
})
