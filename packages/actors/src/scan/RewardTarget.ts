/** RewardTarget: one kind of reward a scan may earn. Which kinds there are: RewardTargets. */
import type { Effect } from "effect"
import type { Mailbox, Replies } from "@eco2/core"
import type { Classification, Reward } from "../domain/Scan.ts"

/** What is known of the scan. `owner`: whose it is, "" for nobody's; `scanId`: another for each scan. */
export interface Earning {
  readonly scanId: string
  readonly owner: string
  readonly classification: Classification
}

/** A reward, and whom to tell of it: told exactly when the stage is recorded (J3). */
export interface Grant {
  readonly reward: Reward
  readonly tells: ReadonlyArray<Mailbox.Message>
}

export interface RewardTarget {
  readonly name: string
  /** Null: it earns nothing of this kind. Any failure is taken for that, and said. */
  readonly grant: (earning: Earning) => Effect.Effect<Grant | null, unknown, Replies.Replies>
}
