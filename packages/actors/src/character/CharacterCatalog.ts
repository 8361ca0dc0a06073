/**
 * CharacterCatalog: the catalogue in a worker's memory, loaded from Postgres and kept in step by the topic (CharacterCache).
 * Current before it answers: a worker that starts waits for its catalogue, and every answer is by all that was published
 * before the question came: it may have been frozen or cut off since it last heard anything. That costs one command a
 * question, shared by those that come meanwhile.
 */
import { Topic } from "@eco2/core"
import { Postgres, PostgresError } from "@eco2/core/postgres"
import { Context, Effect, Layer, Schedule, Semaphore } from "effect"
import { matchCharacter } from "../domain/Character.ts"
import type { Character, Match } from "../domain/Character.ts"
import { CharacterCache, changes } from "./CharacterCache.ts"
import * as CharacterStore from "./CharacterStore.ts"
import type { StoredCharacter } from "./CharacterStore.ts"

export class CharacterCatalog extends Context.Service<
  CharacterCatalog,
  {
    /** What a scan earns by the catalogue as it is now. A defect where that cannot be told within five seconds. */
    readonly match: (middle: string, minor: string | null) => Effect.Effect<Match>
  }
>()("@eco2/actors/character/CharacterCatalog") {}

const deadline = "5 seconds"
const again = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")])

/**
 * - `meanwhile`: answers until the first load, where it may take its time (an embedded database that starts); null: the
 *   layer is built when the catalogue is loaded, however long that takes, or fails when it never can be
 */
export const layer = (options: { readonly meanwhile: ReadonlyArray<Character> | null }) =>
  Layer.effect(
    CharacterCatalog,
    Effect.gen(function* () {
      const postgres = yield* Postgres.Postgres
      const one = yield* Semaphore.make(1)
      let known: ReadonlyMap<string, StoredCharacter> = new Map()
      let subscription: Topic.Subscription | undefined

      /** Postgres is ahead of the topic, never behind; where it is away, what was published is the next best. */
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
      const follow = Topic.follow(CharacterCache, {
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

      /** Questions so far, and how many of them came before a look that has ended. */
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
          Effect.map(current, () =>
            matchCharacter(subscription === undefined ? (options.meanwhile ?? []) : [...known.values()], middle, minor)
          )
      })
    })
  )
