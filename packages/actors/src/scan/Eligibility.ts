/**
 * Eligibility: whether a scan may earn a reward: a recyclable with a middle category, a rule for recyclables (none for what is
 * broken or hazardous), and a sufficient answer. Pure. Used by the reward stage, by the result, which says that an eligible
 * scan without a reward is still to get one, and for open scans, of which nothing is granted meanwhile that they may earn.
 */
import type { Classification } from "../domain/Scan.ts"
import { RECYCLABLE } from "../domain/Waste.ts"

/** `ruleKey`: null: no rule; `insufficiencies`: how many the answer names. */
export const isEligible = (classification: Classification, ruleKey: string | null, insufficiencies: number): boolean =>
  classification.major_category === RECYCLABLE &&
  classification.middle_category !== "" &&
  ruleKey?.startsWith(RECYCLABLE) === true &&
  insufficiencies === 0

/** The same of what an open scan has found so far: undefined parts may still turn out either way. */
export const mayBeEligible = (
  classification: Classification | undefined,
  ruleKey: string | null | undefined,
  insufficiencies: number | undefined
): boolean =>
  isEligible(
    classification ?? { major_category: RECYCLABLE, middle_category: "?", minor_category: null },
    ruleKey === undefined ? RECYCLABLE : ruleKey,
    insufficiencies ?? 0
  )
