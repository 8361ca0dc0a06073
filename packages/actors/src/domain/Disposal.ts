/**
 * Disposal: the schema of a rule that says how to dispose of one kind of waste, and the lookup of a classification's rule keys.
 * A document has its texts in every language; a scan's result has one of them. Beside the rule of each middle and each other
 * major there are special rules, for items and states whose steps differ from the rest of their group, so that no common step
 * is wrong or dangerous for one of its items (paint in a pharmacy's box, a broken lamp in the lamp box).
 * rule/DisposalRules loads the documents; Waste has the categories they belong to.
 */
import { Schema } from "effect"
import type { Language } from "./Language.ts"
import type { ClassificationResult } from "./Scan.ts"
import { majorCategories, middleCategories, minorGroupOf, RECYCLABLE, toTaxonomy, UNCLASSIFIED } from "./Waste.ts"

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
 * A rule's texts in one language.
 * - `category`: its major; `name`: its middle, the major again, or the name of what a special rule is for
 * - `items`: everything it covers, the same that `sub_items` lists by kind
 * - `common_steps`: in order, for every item; `detailed_steps`: further ones by kind or situation
 * - `not_accepted`: item → where it goes instead
 * - `source`: title, publisher and date of the public guidance the rule rests on; the publisher as it was named then
 */
const RuleTexts = Schema.Struct({
  category: Schema.NonEmptyString,
  name: Schema.NonEmptyString,
  items: Texts,
  description: Texts,
  sub_items: Schema.Record(Schema.String, Texts),
  common_steps: Texts,
  detailed_steps: Schema.Record(Schema.String, Texts),
  not_accepted: Schema.Record(Schema.String, Schema.NonEmptyString),
  source: Schema.NonEmptyString
})

/**
 * One rule document, as stored.
 * - `key`: one of `ruleKeys`' answers, Korean
 * - `date`: of the newest guidance in `source`, `YYYY-MM-DD`; what the guidance has changed since is not in the rule
 */
export const RuleDocument = Schema.Struct({
  key: Schema.NonEmptyString,
  date: Schema.String.check(Schema.isPattern(/^\d{4}-\d{2}-\d{2}$/)),
  icons: Schema.Array(DisposalIcon),
  ko: RuleTexts,
  en: RuleTexts
})
export type RuleDocument = typeof RuleDocument.Type

/** A rule as clients read it in `disposal_rules`, in the language of the scan. `date` is missing in results of earlier versions. */
export const DisposalRule = Schema.Struct({
  key: Schema.NonEmptyString,
  ...RuleTexts.fields,
  icons: Schema.Array(DisposalIcon),
  date: Schema.optionalKey(Schema.String)
})
export type DisposalRule = typeof DisposalRule.Type

export const inLanguage = ({ date, icons, key, ...texts }: RuleDocument, language: Language): DisposalRule => ({
  key,
  ...texts[language],
  icons,
  date
})

const HAZARDOUS = "생활계유해폐기물"
const NON_COMBUSTIBLE = "불연성종량제폐기물"

/** Items with a rule of their own, whatever major and middle a model gives them. */
const itemRules: ReadonlyArray<{ readonly key: string; readonly items: ReadonlyArray<string> }> = [
  {
    key: `${HAZARDOUS}_폐의약품`,
    items: ["의약품", "알약", "캡슐약", "물약", "가루약", "연고", "안약", "시럽약"]
  },
  { key: `${HAZARDOUS}_폐농약`, items: ["남은 농약", "남은 제초제", "남은 살충제", "쥐약"] },
  { key: `${HAZARDOUS}_페인트·용제`, items: ["남은 페인트", "래커", "시너", "유기용제", "접착제", "폐유"] },
  { key: `${HAZARDOUS}_수은 함유 제품`, items: ["수은 체온계", "수은 온도계", "수은 혈압계"] },
  { key: `${HAZARDOUS}_폐식용유`, items: ["폐식용유"] },
  { key: `${RECYCLABLE}_종이컵`, items: ["종이컵", "종이 음료컵", "자판기 커피컵"] },
  { key: `${RECYCLABLE}_압력 용기`, items: ["부탄가스통", "스프레이캔", "살충제 캔"] },
  { key: `${NON_COMBUSTIBLE}_깨진 조명제품`, items: ["깨진 형광등", "깨진 전구"] }
]

/** States that give items another rule than their material's. `of`: middles, or items. */
const stateRules: ReadonlyArray<{
  readonly key: string
  readonly states: ReadonlyArray<string>
  readonly of: ReadonlyArray<string>
}> = [
  {
    key: `${NON_COMBUSTIBLE}_깨진 조명제품`,
    states: ["깨짐", "부서짐"],
    of: ["조명제품", "백열전구", "할로겐전구"]
  },
  { key: NON_COMBUSTIBLE, states: ["깨짐", "부서짐"], of: ["유리병"] },
  { key: `${RECYCLABLE}_손상된 전지`, states: ["배터리 부풀음"], of: ["전지", "전기전자제품"] },
  { key: `${RECYCLABLE}_손상된 전지`, states: ["깨짐", "찢어짐", "부서짐", "액체 샘"], of: ["전지"] }
]

/** The keys of all rules that a classification can lead to. */
export const allRuleKeys: ReadonlySet<string> = new Set([
  ...majorCategories.filter((major) => major !== UNCLASSIFIED),
  ...middleCategories.map((middle) => `${RECYCLABLE}_${middle}`),
  ...[...itemRules, ...stateRules].map(({ key }) => key)
])

/**
 * Keys of the rules that may hold for what is on a photo, best first; words as toTaxonomy understands them.
 * - the special rule of its state, then of the item; a hazardous item's before all others, whatever its major
 * - recyclable with a middle: `재활용폐기물_<middle>`; then, as for any other major, the major
 * - 미분류 or an unknown major: none
 */
export const ruleKeys = ({
  classification,
  situation_tags
}: Pick<ClassificationResult, "classification" | "situation_tags">): ReadonlyArray<string> => {
  const known = toTaxonomy(classification).classification
  const { major_category: major, middle_category: middle, minor_category: minor } = known
  if (major === UNCLASSIFIED) return []
  const group = minorGroupOf(minor)
  const things: ReadonlyArray<string | null> = [middle, minor, group]
  const ofItem = itemRules.filter(({ items }) => minor !== null && items.includes(minor))
  const ofState = stateRules.filter(
    ({ of, states }) =>
      of.some((thing) => things.includes(thing)) && states.some((state) => situation_tags.includes(state))
  )
  return [
    ...new Set([
      ...(group === HAZARDOUS ? [...ofItem.map(({ key }) => key), HAZARDOUS] : []),
      ...[...ofState, ...ofItem].map(({ key }) => key),
      ...(middle === "" ? [] : [`${RECYCLABLE}_${middle}`]),
      major
    ])
  ]
}
