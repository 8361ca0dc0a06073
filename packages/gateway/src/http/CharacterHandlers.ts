/**
 * CharacterHandlers: what clients may read about characters, through the read contract. Answers 503 while the database is down,
 * after a few seconds at most; scans continue without it.
 */
import { Characters, ScanPipeline, ScanResult } from "@eco2/actors/protocol"
import { JobStore } from "@eco2/core/client"
import { OutageLog } from "@eco2/core/telemetry"
import { Refusal } from "@eco2/core/http"
import { Effect } from "effect"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { Caller } from "../auth/Authentication.ts"
import * as RequestLanguage from "./RequestLanguage.ts"
import { Api } from "./ScanApi.ts"

const patience = "8 seconds"
/** Scans of a user that are asked for a reward on its way; those before them are saved, or wait for the database. */
const scansLooked = 10

export const layer = HttpApiBuilder.group(
  Api,
  "character",
  Effect.fnUntraced(function* (handlers) {
    const characters = yield* Characters.Characters
    const store = yield* JobStore.JobStore
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

    /**
     * Whether one of the user's latest scans has earned a character that may not be saved yet, is still to get one, or is open and
     * may earn one. True also while Redis does not answer: the default that was granted by mistake would stay for good.
     */
    const isOnItsWay = Effect.fnUntraced(function* (user: string) {
      const latest = (yield* store.ofOwner(user)).slice(0, scansLooked)
      const found = yield* Effect.forEach(
        latest,
        (id) => Effect.catchTag(store.get(id), "JobUnreadable", () => Effect.succeed(null)),
        { concurrency: "unbounded" }
      )
      for (const job of found) {
        if (job === null || job.owner !== user || job.pipeline !== ScanPipeline.name) continue
        if (yield* ScanResult.mayBring(job)) return true
      }
      return false
    })
    const mayGrant = (user: string) =>
      Effect.map(
        Effect.catch(isOnItsWay(user), () => Effect.succeed(true)),
        (coming) => !coming
      )

    return handlers
      .handle("catalogue", ({ headers, query }) =>
        Effect.map(read(characters.catalogue(RequestLanguage.named(query.language, headers))), (body) =>
          HttpApiSchema.withHeaders({
            body,
            headers: { "cache-control": "public, max-age=30" as const, vary: "Accept-Language" as const }
          })
        )
      )
      .handle("mine", () =>
        Effect.flatMap(Caller, ({ user }) => Effect.map(read(characters.ofUser(user, mayGrant(user))), own))
      )
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
