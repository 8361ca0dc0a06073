/** CharacterBehavior: answers MatchCharacter from the catalogue in memory. */
import { Behavior } from "@eco2/core"
import { Effect } from "effect"
import * as CharacterId from "../domain/CharacterId.ts"
import { CharacterActor } from "./CharacterActor.ts"
import { CharacterCatalog } from "./CharacterCatalog.ts"

export const layer = Behavior.layer(
  CharacterActor,
  Effect.map(CharacterCatalog, (catalog) => ({
    MatchCharacter: ({ middle, minor }: { readonly middle: string; readonly minor: string | null }) =>
      Effect.map(catalog.match(middle, minor), ({ character: { code, dialog, id, name, type }, reason }) => ({
        id: id ?? CharacterId.ofCharacter(code),
        code,
        name,
        type,
        dialog,
        match_reason: reason
      }))
  })),
  { concurrency: 16 }
)
