/**
 * CharacterHandlers: what clients read of characters, by the read contract. A store that is away is 503, and nobody waits
 * for it longer than a few seconds; scans go on without it.
 */
import { Characters } from "@eco2/actors/protocol"
import { OutageLog } from "@eco2/core/telemetry"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Authorization } from "../auth/Authorization.ts"
import { respond, unavailable } from "./HttpErrors.ts"
import { Api } from "./ScanApi.ts"

const patience = "8 seconds"

export const layer = HttpApiBuilder.group(
  Api,
  "character",
  Effect.fnUntraced(function* (handlers) {
    const authorization = yield* Authorization
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
        Effect.mapError(() => unavailable("the database does not answer; try again"))
      )
    const json = (body: unknown, cacheControl: string) =>
      HttpServerResponse.jsonUnsafe(body, { headers: { "cache-control": cacheControl } })

    return handlers
      .handleRaw("catalogue", () =>
        respond(Effect.map(read(characters.catalogue), (all) => json(all, "public, max-age=30")))
      )
      .handleRaw("mine", ({ request }) =>
        respond(
          Effect.gen(function* () {
            const user = yield* authorization.user(request)
            return json(yield* read(characters.ofUser(user)), "no-store")
          })
        )
      )
      .handleRaw("ownership", ({ params, request }) =>
        respond(
          Effect.gen(function* () {
            const user = yield* authorization.user(request)
            // no character's name has one, and Postgres takes none
            const owned = !params.name.includes("\0") && (yield* read(characters.owns(user, params.name)))
            return json({ character_name: params.name, owned }, "no-store")
          })
        )
      )
  })
)
