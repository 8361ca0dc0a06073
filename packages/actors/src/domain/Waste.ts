/**
 * Waste: the taxonomy that items are classified into (major, middle, minor) and the tags that describe an item's state.
 * Majors and middles are the public contract and closed; minors and tags are our own lists, after public Korean guidance, and
 * are part of the vision model's prompt. WasteWords has all words in both languages. The Korean names are keys, on the wire too.
 * Every model's answer passes through `toTaxonomy`. Disposal chooses the rule for a classification, Character the character.
 */
import type { Language } from "./Language.ts"
import type { Classification } from "./Scan.ts"
import * as Words from "./WasteWords.ts"

/** The major whose items are collected by material; the only one with middles. */
export const RECYCLABLE = "재활용폐기물"

/** The major of an item that could not be recognised. It has no middle, no minor and no rule. */
export const UNCLASSIFIED = "미분류"

export const majorCategories = [
  RECYCLABLE,
  "일반종량제폐기물",
  "불연성종량제폐기물",
  "음식물류폐기물",
  "대형폐기물",
  "공사장생활폐기물",
  "생활계유해폐기물",
  UNCLASSIFIED
] as const
export type MajorCategory = (typeof majorCategories)[number]

/** The middles of RECYCLABLE. */
export const middleCategories = [
  "종이",
  "종이팩",
  "무색페트병",
  "플라스틱류",
  "비닐류",
  "발포합성수지",
  "유리병",
  "금속류",
  "의류및원단",
  "전지",
  "조명제품",
  "전기전자제품"
] as const
export type MiddleCategory = (typeof middleCategories)[number]

/** The keys of `minorItems`: a middle for recyclables, otherwise the major. */
export type MinorGroup = MiddleCategory | Exclude<MajorCategory, typeof RECYCLABLE | typeof UNCLASSIFIED>

/** What an item may be: a middle of the recyclables, or another major that is known. */
export const minorGroups: ReadonlyArray<MinorGroup> = [
  ...middleCategories,
  ...majorCategories.flatMap((major) => (major === RECYCLABLE || major === UNCLASSIFIED ? [] : [major]))
]
const isMiddle = (group: MinorGroup): group is MiddleCategory => middleCategories.some((middle) => middle === group)

const keysOf = (pairs: Words.Pairs): ReadonlyArray<string> => pairs.map(([key]) => key)

/** Items people throw away, by group. An item is in one group only. */
export const minorItems: Readonly<Record<MinorGroup, ReadonlyArray<string>>> = {
  종이: keysOf(Words.minors.종이),
  종이팩: keysOf(Words.minors.종이팩),
  무색페트병: keysOf(Words.minors.무색페트병),
  플라스틱류: keysOf(Words.minors.플라스틱류),
  비닐류: keysOf(Words.minors.비닐류),
  발포합성수지: keysOf(Words.minors.발포합성수지),
  유리병: keysOf(Words.minors.유리병),
  금속류: keysOf(Words.minors.금속류),
  의류및원단: keysOf(Words.minors.의류및원단),
  전지: keysOf(Words.minors.전지),
  조명제품: keysOf(Words.minors.조명제품),
  전기전자제품: keysOf(Words.minors.전기전자제품),
  일반종량제폐기물: keysOf(Words.minors.일반종량제폐기물),
  불연성종량제폐기물: keysOf(Words.minors.불연성종량제폐기물),
  음식물류폐기물: keysOf(Words.minors.음식물류폐기물),
  대형폐기물: keysOf(Words.minors.대형폐기물),
  공사장생활폐기물: keysOf(Words.minors.공사장생활폐기물),
  생활계유해폐기물: keysOf(Words.minors.생활계유해폐기물)
}

/** Visible states of an item, by kind. A tag is in one kind only. */
export const situationTags: Readonly<Record<string, ReadonlyArray<string>>> = Object.fromEntries(
  Object.entries(Words.tags).map(([kind, pairs]) => [kind, keysOf(pairs)])
)

/** The form in which a text is kept: NFC, trimmed, each run of white space (zero-width space included) one space. */
export const tidy = (text: string): string =>
  text
    .normalize("NFC")
    .replace(/[\s\u200B]+/gu, " ")
    .trim()

/**
 * The form in which two names are compared: NFKC, lower case, without spaces and punctuation, and in English without the
 * plural's ending.
 */
export const comparable = (text: string): string => {
  const letters = text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[\s\p{P}\p{S}\p{Cf}]+/gu, "")
  return /^[a-z0-9]+$/.test(letters) ? letters.replace(/(?<=..)e?s$/, "") : letters
}

/** Comparable words and the key of each; of a word with two keys the first is kept. */
type Index<Key extends string> = ReadonlyMap<string, Key>
const indexOf = <Key extends string>(
  ...lists: ReadonlyArray<Iterable<readonly [word: string, key: Key]>>
): Index<Key> => {
  const index = new Map<string, Key>()
  for (const list of lists)
    for (const [word, key] of list) if (!index.has(comparable(word))) index.set(comparable(word), key)
  return index
}

const allMinors = minorGroups.flatMap((group) => Words.minors[group])
const allTags = Object.values(Words.tags).flat()
const turned = (pairs: Words.Pairs) => pairs.map(([key, english]) => [english, key] as const)
const themselves = <Key extends string>(keys: ReadonlyArray<Key>) => keys.map((key) => [key, key] as const)

const majors = indexOf<MajorCategory>(
  themselves(majorCategories),
  majorCategories.map((major) => [Words.majors[major], major]),
  majorCategories.flatMap((major) => Words.majorAliases[major].map((word) => [word, major] as const))
)
const middles = indexOf<MiddleCategory>(
  themselves(middleCategories),
  middleCategories.map((middle) => [Words.middles[middle], middle]),
  middleCategories.flatMap((middle) => Words.middleAliases[middle].map((word) => [word, middle] as const))
)
const minors = indexOf<string>(themselves(keysOf(allMinors)), turned(allMinors), Words.minorAliases)
const tags = indexOf<string>(themselves(keysOf(allTags)), turned(allTags))
const groups: ReadonlyMap<string, MinorGroup> = new Map(
  minorGroups.flatMap((group) => minorItems[group].map((item) => [item, group] as const))
)

/** By letters of Hangul (jamo) or Latin: how many may be wrong in a word of this many. */
const mistakesIn = (letters: number): number => (letters < 6 ? 0 : letters < 12 ? 1 : 2)

/** Levenshtein's distance. */
const distance = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => {
  let row = b.map((_, index) => index + 1)
  for (const [at, letter] of a.entries()) {
    let diagonal = at
    let left = at + 1
    row = row.map((above, column) => {
      const here = Math.min(above + 1, left + 1, diagonal + (letter === b[column] ? 0 : 1))
      diagonal = above
      left = here
      return here
    })
  }
  return row.at(-1) ?? a.length
}

/** The key of the word that is spelt almost like this one; undefined if there is none, or another is as close. */
const closest = <Key extends string>(index: Index<Key>, word: string): Key | undefined => {
  const letters = Array.from(comparable(word).normalize("NFD"))
  const most = mistakesIn(letters.length)
  if (most === 0) return undefined
  let least = most
  const found = new Set<Key>()
  for (const [known, key] of index) {
    const mistakes = distance(letters, Array.from(known.normalize("NFD")))
    if (mistakes > least) continue
    if (mistakes < least) found.clear()
    least = mistakes
    found.add(key)
  }
  const [only, ...others] = found
  return others.length === 0 ? only : undefined
}

const mostCharacters = 60

/** Tidied, and cut by code point, so that no surrogate pair is cut. A model's word may have any length. */
const bounded = (raw: string): string =>
  Array.from(tidy(raw.slice(0, 10 * mostCharacters)))
    .slice(0, mostCharacters)
    .join("")
    .trimEnd()

const toMinor = (raw: string | null): string | null => {
  const text = bounded(raw ?? "")
  return text === "" ? null : (minors.get(comparable(text)) ?? text)
}

/** The group of a known item, in whatever words it is named; null for an unknown one. */
export const minorGroupOf = (minor: string | null): MinorGroup | null => groups.get(toMinor(minor) ?? "") ?? null

/** A word of a model's answer that the taxonomy does not know, tidied, at most 60 characters; "" where it is missing. */
export interface OutsideWord {
  readonly field: "major_category" | "middle_category"
  readonly word: string
}

/** A classification in the taxonomy's spelling, and the words that could not be mapped: none in a good answer. */
export interface InTaxonomy {
  readonly classification: Classification
  readonly outside: ReadonlyArray<OutsideWord>
}

const majorOf = (
  word: string,
  middle: string,
  minor: string | null
): { readonly major: MajorCategory; readonly middle: string } | undefined => {
  const known = majors.get(comparable(word))
  if (known !== undefined) return { major: known, middle }
  // a material in the place of the major; or no major, and a material in its own place
  const material = comparable(word) === "" ? middles.get(comparable(middle)) : middles.get(comparable(word))
  if (material !== undefined) return { major: RECYCLABLE, middle: middle === "" ? material : middle }
  const near = closest(majors, word)
  if (near !== undefined) return { major: near, middle }
  const group = minorGroupOf(minor)
  if (group === null) return undefined
  return isMiddle(group) ? { major: RECYCLABLE, middle: group } : { major: group, middle: "" }
}

const middleOf = (word: string, minor: string | null): MiddleCategory | undefined => {
  const named = middles.get(comparable(word))
  if (named !== undefined) return named
  for (const item of [word, minor]) {
    const group = minorGroupOf(item)
    if (group !== null && isMiddle(group)) return group
  }
  return closest(middles, word)
}

/**
 * A model's classification in the taxonomy's spelling; never fails. Names are looked up by `comparable`, in Korean and English,
 * then among the aliases; a major or middle that is unknown then, by its closest spelling, if that is unambiguous.
 * - a middle in the place of the major means RECYCLABLE
 * - a major or middle that is missing or unknown is that of the item, if the item is known
 * - unknown major: 미분류, middle "", minor null, and the word in `outside`; so also an empty major
 * - unknown middle of a RECYCLABLE: "", and the word in `outside`; any middle of another major: ""
 * - unknown minor: kept as written, tidied, at most 60 characters; empty: null
 * @example toTaxonomy({ major_category: "Recyclable", middle_category: "투명페트병", minor_category: "water bottle" })
 *   // { classification: { 재활용폐기물, 무색페트병, 생수병 }, outside: [] }
 */
export const toTaxonomy = (raw: Classification): InTaxonomy => {
  const [word, middleWord] = [bounded(raw.major_category), bounded(raw.middle_category)]
  const minor = toMinor(raw.minor_category)
  const found = majorOf(word, middleWord, minor)
  if (found === undefined || found.major === UNCLASSIFIED) {
    return {
      classification: { major_category: UNCLASSIFIED, middle_category: "", minor_category: null },
      outside: found === undefined ? [{ field: "major_category", word }] : []
    }
  }
  const { major } = found
  const middle = major === RECYCLABLE ? middleOf(found.middle, minor) : undefined
  return {
    classification: { major_category: major, middle_category: middle ?? "", minor_category: minor },
    outside: major === RECYCLABLE && middle === undefined ? [{ field: "middle_category", word: middleWord }] : []
  }
}

/** The known tags among `raw`, in the taxonomy's spelling and the order given, each once. */
export const toSituationTags = (raw: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(raw.flatMap((tag) => tags.get(comparable(tag)) ?? []))
]

const english: ReadonlyMap<string, string> = new Map<string, string>([
  ...Object.entries(Words.majors),
  ...Object.entries(Words.middles),
  ...allMinors,
  ...allTags
])

/** A key of the taxonomy as people read it in a language; any other text as it is. */
export const displayName = (key: string, language: Language): string =>
  language === "en" ? (english.get(key) ?? key) : key
