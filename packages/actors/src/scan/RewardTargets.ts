/**
 * RewardTargets: the one list of what a scan may earn. Another kind is another entry, and touches neither the stage nor the
 * others.
 */
import { characterMatch } from "../character/CharacterReward.ts"
import type { RewardTarget } from "./RewardTarget.ts"

/** In order: the first that grants something is the scan's reward. */
export const targets: ReadonlyArray<RewardTarget> = [characterMatch]
