/**
 * CharacterHandlers: what clients may read about characters, through the read contract. Answers 503 while the database is down,
 * after a few seconds at most; scans continue without it.
 */
import { Characters } from "@eco2/actors/protocol"
import { OutageLog } from "@eco2/core/telemetry"
import { Refusal } from "@eco2/core/http"
import { Effect } from "effect"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { Caller } from "../auth/Authentication.ts"
import * as RequestLanguage from "./RequestLanguage.ts"
import { Api } from "./ScanApi.ts"

const patience = "8 seconds"

export const layer = HttpApiBuilder.group(
  Api,
  "character",
  Effect.fnUntraced(function* (handlers) {
    const characters = yield* Characters.Characters
    const outage = OutageLog.make("characters cannot be read", "characters are read again")

    const read = <A>(what: Effect.Effect<A, Characters.CharactersUnavailable>) =>
      what.pipe(
        Effect.timeoutOrElse({
          duration: patience,
          orElse: () => Effect.fail(new Characters.CharactersUnavailable({ reason: "no answer in time" }))
        }),
        Effect.tap(() => outage.over),
        Effect.tapError(outage.failed),
        Effect.mapError(() => Refusal.unavailable("the database does not answer; try again"))
      )
    const own = <A>(body: A) => HttpApiSchema.withHeaders({ body, headers: { "cache-control": "no-store" as const } })

    return handlers
      .handle("catalogue", ({ headers, query }) =>
        Effect.map(read(characters.catalogue(RequestLanguage.named(query.language, headers))), (body) =>
          HttpApiSchema.withHeaders({
            body,
            headers: { "cache-control": "public, max-age=30" as const, vary: "Accept-Language" as const }
          })
        )
      )
      .handle("mine", () => Effect.flatMap(Caller, ({ user }) => Effect.map(read(characters.ofUser(user)), own)))
      .handle(
        "ownership",
        Effect.fnUntraced(function* ({ params: { name } }) {
          const { user } = yield* Caller
          // no character's name has a NUL, and Postgres accepts none
          const owned = !name.includes("\0") && (yield* read(characters.owns(user, name)))
          return own({ character_name: name, owned })
        })
      )
  })
)
