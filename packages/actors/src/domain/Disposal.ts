/**
 * Disposal: the schema of a rule that says how to dispose of one kind of waste, and the lookup of a classification's rule key.
 * rule/DisposalRules loads the documents; Waste has the categories they belong to.
 */
import { Schema } from "effect"
import type { Classification } from "./Scan.ts"
import { RECYCLABLE, toTaxonomy, UNCLASSIFIED } from "./Waste.ts"

/** Names of the pictograms that a page may show beside a rule. The list is closed, so that a page can draw each of them. */
export const DisposalIcon = Schema.Literals([
  "bag-clear",
  "book-pickup",
  "cap-on",
  "clean",
  "cool-down",
  "crush",
  "dedicated-bin",
  "do-not-break",
  "drain",
  "empty",
  "erase-data",
  "flatten",
  "food-bin",
  "handle-glass",
  "insulate",
  "keep-dry",
  "no-mix",
  "pair",
  "payt-bag",
  "pharmacy",
  "release-gas",
  "remove-battery",
  "remove-label",
  "remove-parts",
  "remove-tape",
  "report",
  "return-deposit",
  "rinse",
  "seal",
  "sort",
  "special-bag",
  "sticker",
  "tie",
  "unplug",
  "wrap"
])

const Texts = Schema.Array(Schema.NonEmptyString)

/**
 * One rule document, as stored and as clients read it in `disposal_rules`. All texts are Korean.
 * - `key`: one of `ruleKeys`' answers; `category` its major, `name` its middle (or the major again)
 * - `items`: everything it covers, the same that `sub_items` lists by kind
 * - `common_steps`: in order, for every item; `detailed_steps`: further ones by kind or situation
 * - `not_accepted`: item → where it goes instead
 * - `source`: title and publisher of the public guidance the rule rests on
 */
export const DisposalRule = Schema.Struct({
  key: Schema.NonEmptyString,
  category: Schema.NonEmptyString,
  name: Schema.NonEmptyString,
  items: Texts,
  description: Texts,
  sub_items: Schema.Record(Schema.String, Texts),
  common_steps: Texts,
  detailed_steps: Schema.Record(Schema.String, Texts),
  not_accepted: Schema.Record(Schema.String, Schema.NonEmptyString),
  icons: Schema.Array(DisposalIcon),
  source: Schema.NonEmptyString
})
export type DisposalRule = typeof DisposalRule.Type

/**
 * Keys of the rules that may hold for a classification, best first; spelling and spaces do not matter.
 * - recyclable with a known middle: `재활용폐기물_<middle>`
 * - any other major: the major
 * - 미분류, an unknown major, or recyclable without a known middle: none
 */
export const ruleKeys = (classification: Classification): ReadonlyArray<string> => {
  const { major_category: major, middle_category: middle } = toTaxonomy(classification).classification
  if (major === UNCLASSIFIED) return []
  if (major !== RECYCLABLE) return [major]
  return middle === "" ? [] : [`${RECYCLABLE}_${middle}`]
}
