/**
 * CharacterCatalog: the catalogue in a worker's memory, loaded from Postgres and kept up to date by a topic (CharacterEvents).
 * Answers are never stale: a worker waits for its first load, and each answer includes everything that was published before
 * the question came, even if the worker was frozen or cut off meanwhile. This check costs one Redis command, shared by all
 * questions that arrive while it runs.
 */
import { Topic } from "@eco2/core"
import { Postgres, PostgresError } from "@eco2/core/postgres"
import { Context, Effect, Layer, Schedule, Semaphore } from "effect"
import { matchCharacter } from "../domain/Character.ts"
import type { Character, Match } from "../domain/Character.ts"
import { CharacterEvents, changes } from "./CharacterEvents.ts"
import * as CharacterStore from "./CharacterStore.ts"
import type { StoredCharacter } from "./CharacterStore.ts"

export class CharacterCatalog extends Context.Service<
  CharacterCatalog,
  {
    /**
     * The match in the current catalogue. Dies if the catalogue cannot be brought up to date within five seconds, and if it is
     * empty: the default character is for what no other matches, not for what nobody knows.
     */
    readonly match: (middle: string, minor: string | null) => Effect.Effect<Match>
  }
>()("@eco2/actors/character/CharacterCatalog") {}

const deadline = "5 seconds"
const again = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")])

/**
 * - `meanwhile`: a catalogue to answer from until the first load, for a database that starts slowly (the embedded one); null:
 *   building the layer waits for the first load, however long it takes, and fails when the load can never succeed
 */
export const layer = (options: { readonly meanwhile: ReadonlyArray<Character> | null }) =>
  Layer.effect(
    CharacterCatalog,
    Effect.gen(function* () {
      const postgres = yield* Postgres.Postgres
      const one = yield* Semaphore.make(1)
      let known: ReadonlyMap<string, StoredCharacter> = new Map()
      let subscription: Topic.Subscription | undefined

      /** Postgres is never behind the topic; while it is down, the published state is the best there is. */
      const load = (published: ReadonlyMap<string, StoredCharacter>) =>
        CharacterStore.list.pipe(
          Effect.provideService(Postgres.Postgres, postgres),
          Effect.map((all) => new Map(all.map((character) => [character.id, character]))),
          Effect.catchIf(
            (error) => PostgresError.isTransient(error) && published.size > 0,
            () =>
              Effect.as(
                Effect.logWarning("Postgres does not answer; catalogue loaded from the topic"),
                new Map(published)
              )
          ),
          Effect.map((all) => {
            known = all
          })
        )
      const follow = Topic.follow(CharacterEvents, {
        snapshot: load,
        event: (event) =>
          Effect.sync(() => {
            const next = new Map(known)
            for (const change of changes(event)) {
              if (change._tag === "Clear") next.clear()
              else if (change._tag === "Set") next.set(change.field, change.value)
              else next.delete(change.field)
            }
            known = next
          })
      }).pipe(
        Effect.retry({
          schedule: again,
          while: (error) => error._tag !== "PostgresRefused" && error._tag !== "PostgresRowInvalid"
        }),
        Effect.map((following) => {
          subscription = following
        })
      )
      yield* options.meanwhile === null
        ? follow
        : Effect.forkScoped(
            Effect.tapError(follow, (error) =>
              Effect.logError("catalogue cannot be loaded").pipe(Effect.annotateLogs({ error: error.message }))
            )
          )

      /** Questions so far, and how many of them came before the last check that has ended. */
      let asked = 0
      let covered = 0
      const current = Effect.suspend(() => {
        if (subscription === undefined) return Effect.void
        const { caughtUp } = subscription
        const mine = ++asked
        return Semaphore.withPermit(
          one,
          Effect.suspend(() => {
            if (covered >= mine) return Effect.void
            const upTo = asked
            return Effect.map(Effect.retry(caughtUp, again), () => {
              covered = upTo
            })
          })
        )
      }).pipe(Effect.timeout(deadline), Effect.orDie)

      return CharacterCatalog.of({
        match: (middle, minor) =>
          Effect.flatMap(current, () => {
            const all = subscription === undefined ? (options.meanwhile ?? []) : [...known.values()]
            return all.length === 0
              ? Effect.die(new Error("the catalogue of characters is empty; eco2 migrate fills it"))
              : Effect.succeed(matchCharacter(all, middle, minor))
          })
      })
    })
  )
