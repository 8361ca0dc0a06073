/** RewardTarget: one kind of reward a scan may earn. RewardTargets lists the kinds. */
import type { Effect } from "effect"
import type { Mailbox, Replies } from "@eco2/core"
import type { Language } from "../domain/Language.ts"
import type { Classification, Reward } from "../domain/Scan.ts"

/** The facts of the scan. `owner`: its user, "" for none; `scanId`: unique for each scan; `language`: of the reward's texts. */
export interface Earning {
  readonly scanId: string
  readonly owner: string
  readonly classification: Classification
  readonly language: Language
}

/** A reward, and the messages about it: sent exactly when the stage's commit is stored (J3). */
export interface Grant {
  readonly reward: Reward
  readonly tells: ReadonlyArray<Mailbox.Message>
}

export interface RewardTarget {
  readonly name: string
  /** Null: the scan earns nothing of this kind. */
  readonly grant: (earning: Earning) => Effect.Effect<Grant | null, unknown, Replies.Replies>
  /** After a failure of `grant`: messages that have it decided later, sent with the stage's commit (J3). */
  readonly later: (earning: Earning) => Effect.Effect<ReadonlyArray<Mailbox.Message>>
}
