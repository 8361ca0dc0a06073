/**
 * FeedDate: the dates that feeds and news APIs write, in the ways they are found: RFC 822 and ISO 8601 with all their slips,
 * what programming languages print, Unix time, Korean, and month names of other languages. Pure.
 * A date that is not understood is no date: an invented one would put an article at the wrong place for ever.
 */
import { DateTime, Option } from "effect"

/** The first letters of months, without accents: English, German, French, Spanish, Portuguese, Italian, Dutch. */
const months: ReadonlyArray<readonly [month: number, names: RegExp]> = [
  [1, /^(?:jan|ene|gen)/],
  [2, /^(?:feb|fev)/],
  [3, /^(?:mar|mrz|maa|mrt|maer|mae)/],
  [4, /^(?:apr|avr|abr)/],
  [5, /^(?:may|mai|maj|mag|mei)/],
  [6, /^(?:jun|juin|giu)/],
  [7, /^(?:jul|juil|lug)/],
  [8, /^(?:aug|aou|ago)/],
  [9, /^(?:sep|set)/],
  [10, /^(?:oct|okt|ott|out)/],
  [11, /^nov/],
  [12, /^(?:dec|dez|dic)/]
]
const monthOf = (name: string): number =>
  months.find(([, names]) => names.test(name.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase()))?.[0] ?? Number.NaN

const minutes = (text: string) => {
  const [, sign = "+", hours = "0", rest = "0"] = /^([+-])(\d{1,2}):?(\d{2})?$/.exec(text) ?? []
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(rest))
}
/** Minutes east of Greenwich. Of names with several meanings the one of RFC 822, or of the news we read. */
const zones: ReadonlyMap<string, number> = new Map(
  Object.entries({
    Z: "+0",
    UT: "+0",
    UTC: "+0",
    GMT: "+0",
    WET: "+0",
    WEST: "+1",
    BST: "+1",
    CET: "+1",
    MET: "+1",
    MEZ: "+1",
    CEST: "+2",
    MEST: "+2",
    MESZ: "+2",
    EET: "+2",
    SAST: "+2",
    EEST: "+3",
    MSK: "+3",
    TRT: "+3",
    GST: "+4",
    PKT: "+5",
    IST: "+5:30",
    NPT: "+5:45",
    BDT: "+6",
    ICT: "+7",
    WIB: "+7",
    HKT: "+8",
    SGT: "+8",
    MYT: "+8",
    PHT: "+8",
    AWST: "+8",
    JST: "+9",
    KST: "+9",
    ACST: "+9:30",
    ACDT: "+10:30",
    AEST: "+10",
    AEDT: "+11",
    NZST: "+12",
    NZDT: "+13",
    BRT: "-3",
    ART: "-3",
    AST: "-4",
    ADT: "-3",
    EST: "-5",
    EDT: "-4",
    CST: "-6",
    CDT: "-5",
    MST: "-7",
    MDT: "-6",
    PST: "-8",
    PDT: "-7",
    AKST: "-9",
    AKDT: "-8",
    HST: "-10"
  }).map(([name, offset]) => [name, minutes(offset)])
)
/** Zones whose offset depends on the day. */
const regions: ReadonlyMap<string, string> = new Map([
  ["ET", "America/New_York"],
  ["CT", "America/Chicago"],
  ["MT", "America/Denver"],
  ["PT", "America/Los_Angeles"]
])

interface Day {
  readonly year: number
  readonly month: number
  readonly day: number
}
interface Read {
  readonly day: Day
  /** What follows the day. */
  readonly rest: string
}

const word = String.raw`(\p{L}\p{L}[\p{L}\p{M}]*)`
const dayForms: ReadonlyArray<readonly [form: RegExp, order: "ymd" | "dmy" | "mdy"]> = [
  // 2026-11-27, 2026/11/27, 2026.11.27, 2026. 11. 27., 2026년 11월 27일
  [/^\s*(\d{4})\s*[-./년]\s*(\d{1,2})\s*[-./월]\s*(\d{1,2})(?!\d)\s*[일.]?/u, "ymd"],
  // 20261127
  [/^\s*(\d{4})(\d{2})(\d{2})(?=\D|\d{6}|\d{4}$|$)/, "ymd"],
  // 27 Nov 2026, 27-Nov-26, 27. November 2026, 27 de novembro de 2026
  [
    new RegExp(
      String.raw`(?<!\d)(\d{1,2})(?:st|nd|rd|th|\.|º)?[\s-]*(?:de\s+)?${word}\.?,?[\s-]*(?:de\s+)?(\d{4}|\d{2})(?![\d:])`,
      "iu"
    ),
    "dmy"
  ],
  // Nov 27, 2026
  [new RegExp(String.raw`${word}\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})(?![\d:])`, "iu"), "mdy"]
]
/** Fri Nov 27 09:30:00 KST 2026: the year comes last. */
const yearLast = new RegExp(
  String.raw`${word}\s+(\d{1,2})\s+(\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?)\s*([a-z]{1,5}|[+-]\d{2}:?\d{2})?\s+(\d{4})(?!\d)`,
  "iu"
)

const fullYear = (text: string) => (text.length > 2 ? Number(text) : Number(text) + (Number(text) < 70 ? 2000 : 1900))

const dayOf = (text: string): Read | null => {
  for (const [form, order] of dayForms) {
    const found = form.exec(text)
    if (found === null) continue
    const [whole, first = "", second = "", third = ""] = found
    const day =
      order === "ymd"
        ? { year: Number(first), month: Number(second), day: Number(third) }
        : order === "dmy"
          ? { year: fullYear(third), month: monthOf(second), day: Number(first) }
          : { year: fullYear(third), month: monthOf(first), day: Number(second) }
    if (!Number.isNaN(day.month)) return { day, rest: text.slice(found.index + whole.length) }
  }
  const last = yearLast.exec(text)
  if (last !== null) {
    const [, month = "", day = "", time = "", zone = "", year = ""] = last
    return {
      day: { year: Number(year), month: monthOf(month), day: Number(day) },
      rest: ` ${time} ${zone} ${text.slice(last.index + last[0].length)}`
    }
  }
  // 27/11/2026 where the numbers leave no doubt
  const slashed = /^\D*(\d{1,2})[/.](\d{1,2})[/.](\d{4})(?!\d)/.exec(text)
  if (slashed === null) return null
  const [whole, one, two, year] = slashed
  const [first, second] = [Number(one), Number(two)]
  if (first > 12 === second > 12 && first !== second) return null
  const isDayFirst = first > 12
  return {
    day: { year: Number(year), month: isDayFirst ? second : first, day: isDayFirst ? first : second },
    rest: text.slice(whole.length)
  }
}

const half = String.raw`(오전|오후|[ap]\.?m\.?)`
const timeForm = new RegExp(
  String.raw`^[\s,T·–-]*(?:\([^)]{1,10}\)|\p{L}+요일|at|à|às|um)?[\s,T]*(?:${half}\s*)?` +
    String.raw`(\d{1,2})(?::|h|시\s*)(\d{2})?(?:분)?(?:\s*(?::|분\s*)?(?<=[:분]\s*)(\d{2})초?)?(?:[.,](\d{1,9}))?\s*(?:${half}(?![a-z]))?`,
  "iu"
)
/** 093000 after a day without separators. */
const plainTime = /^[T\s]*(\d{2})(\d{2})(\d{2})?(?!\d)/

/** Milliseconds since midnight, and what follows; null: no time of day is written. */
const timeOf = (text: string): { readonly millis: number; readonly rest: string } | null => {
  const compact = plainTime.exec(text)
  if (compact !== null) {
    const [whole, hours, minutes_, seconds = "0"] = compact
    return { millis: of(hours, minutes_, seconds), rest: text.slice(whole.length) }
  }
  const found = timeForm.exec(text)
  if (found === null) return null
  const [whole, before, hours, minutes_ = "0", seconds = "0", fraction = "", after] = found
  const part = (before ?? after ?? "").toLowerCase()
  const isAfternoon = part === "오후" || part.startsWith("p")
  const isMorning = part === "오전" || part.startsWith("a")
  const given = Number(hours)
  if (part !== "" && given > 12 && isMorning) return { millis: Number.NaN, rest: "" }
  const hour = isAfternoon && given < 12 ? given + 12 : isMorning && given === 12 ? 0 : given
  return {
    millis: of(String(hour), minutes_, seconds) + Math.trunc(Number(`0.${fraction || "0"}`) * 1000),
    rest: text.slice(whole.length)
  }
}
/** NaN: no time of day. A leap second is the second before it. */
const of = (hours = "", minutes_ = "", seconds = ""): number => {
  const [h, m, s] = [Number(hours), Number(minutes_), Number(seconds)]
  if (h > 24 || m > 59 || s > 60 || (h === 24 && m + s > 0)) return Number.NaN
  return ((h * 60 + m) * 60 + Math.min(s, 59)) * 1000
}

/** The moment of a local time in a zone as written; `fallback`: minutes east where none is written. */
const inZone = (local: number, text: string, fallback: number): number => {
  const zone = text.replace(/^[\s([]+/, "")
  const east = (minutes_: number) => local - minutes_ * 60_000
  const [, , offset] = /^(GMT|UTC|Z)?\s*([+\-−]\s*\d{1,2}(?::?\d{2})?)(?!\d)/i.exec(zone) ?? []
  if (offset !== undefined) {
    const amount = minutes(offset.replace("−", "-").replace(/\s+/g, ""))
    if (Math.abs(amount) <= 14 * 60) return east(amount)
  }
  const region = /^([A-Z][a-z]+\/[A-Z]\w+)/.exec(zone)?.[1]
  const [name = ""] = /^[a-z]{1,5}(?![\p{L}])/iu.exec(zone) ?? []
  const upper = name.toUpperCase()
  const named = region ?? regions.get(upper)
  if (named !== undefined) {
    const made = DateTime.makeZoned(new Date(local), { timeZone: named, adjustForTimeZone: true })
    return Option.match(made, { onNone: () => east(fallback), onSome: DateTime.toEpochMillis })
  }
  // RFC 2822, 4.3: a zone of letters that nobody knows is UTC
  return name === "" ? east(fallback) : east(zones.get(upper) ?? 0)
}

/** Unix time, in seconds or milliseconds, of this century. */
const unix = (text: string): number | null => {
  if (!/^\d{9,10}(?:\.\d+)?$|^\d{12,13}$/.test(text)) return null
  return text.length >= 12 && !text.includes(".") ? Number(text) : Math.trunc(Number(text) * 1000)
}

/** The zone of a date without one: Korea's, as in Korean feeds. */
const korea = 9 * 60

/**
 * Unix milliseconds; NaN for what is no date. A day without a time is its midnight.
 * - `fallback`: minutes east of Greenwich, where no zone is written; Korea's by default
 */
export const parse = (given: string, fallback = korea): number => {
  const text = given.slice(0, 200).replace(/\s+/g, " ").trim()
  const seconds = unix(text)
  if (seconds !== null) return seconds
  const found = dayOf(text)
  if (found === null) return Number.NaN
  const { day, month, year } = found.day
  const midnight = Date.UTC(year, month - 1, day)
  // the 31st of June is no day
  if (month < 1 || month > 12 || day < 1 || new Date(midnight).getUTCDate() !== day) return Number.NaN
  const time = timeOf(found.rest)
  return inZone(midnight + (time?.millis ?? 0), time === null ? "" : time.rest, fallback)
}
