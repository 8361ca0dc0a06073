/**
 * CharacterBehavior: answers MatchCharacter from the catalogue in memory, and decides later what a scan could not ask in time.
 * A decision waits as long as the catalogue or the store of messages is not there, on durable timers, without using attempts;
 * a repeated one changes nothing.
 */
import { Behavior } from "@eco2/core"
import type { Mailbox, Retry } from "@eco2/core"
import { Data, Duration, Effect, Metric } from "effect"
import * as CharacterId from "../domain/CharacterId.ts"
import { CharacterActor } from "./CharacterActor.ts"
import type { DecideReward, Matched } from "./CharacterActor.ts"
import { CharacterCatalog } from "./CharacterCatalog.ts"
import * as EarnedCharacter from "./EarnedCharacter.ts"

/** Rewards decided after their scan was done. */
const rewardsDecided = Metric.counter("eco2_rewards_decided_late_total", {
  incremental: true,
  description: "rewards decided after their scan was done"
})

/** The catalogue cannot be asked now, or the messages cannot be sent. */
class NotDecided extends Data.TaggedError("NotDecided")<{ readonly reason: string }> {
  override get message() {
    return `a reward cannot be decided now: ${this.reason}`
  }
}

const retry: Retry.Policy<{ readonly _tag: string }> = {
  decide: () => Effect.succeed({ _tag: "later", delay: Duration.seconds(10) })
}

export const layer = Behavior.layer(
  CharacterActor,
  Effect.map(CharacterCatalog, (catalog) => {
    const match = (middle: string, minor: string | null): Effect.Effect<Matched> =>
      Effect.map(catalog.match(middle, minor), ({ character: { code, dialog, id, name, type }, reason }) => ({
        id: id ?? CharacterId.ofCharacter(code),
        code,
        name,
        type,
        dialog,
        match_reason: reason
      }))
    return {
      MatchCharacter: ({ middle, minor }: { readonly middle: string; readonly minor: string | null }) =>
        match(middle, minor),
      DecideReward: ({
        acquired,
        middle,
        minor,
        scanId,
        userId
      }: DecideReward): Effect.Effect<void, NotDecided, Mailbox.Mailbox> =>
        match(middle, minor).pipe(
          Effect.flatMap((character) => EarnedCharacter.tell({ userId, character, acquired, scanId })),
          Effect.andThen(Metric.update(rewardsDecided, 1)),
          Effect.catchDefect((defect) => Effect.fail(new NotDecided({ reason: String(defect) }))),
          Effect.mapError((error) => (error._tag === "NotDecided" ? error : new NotDecided({ reason: error.message })))
        )
    }
  }),
  { concurrency: 16, retry }
)
