/**
 * RewardTargets: the list of what a scan may earn. Another kind of reward is another entry; neither the stage nor the other
 * entries change.
 */
import { characterMatch } from "../character/CharacterReward.ts"
import type { RewardTarget } from "./RewardTarget.ts"

/** In order: the first that grants something decides the scan's reward. */
export const targets: ReadonlyArray<RewardTarget> = [characterMatch]
