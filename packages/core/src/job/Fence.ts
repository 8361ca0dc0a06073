/**
 * Fence: the part of a job that transitions change, in one field of its hash, `now`. Only scripts write it (scripts/fence.lua,
 * which defines the words); this module reads it. Pure.
 */

/** The words in order; the owner is last, because it may contain spaces. */
export const words = [
  "state",
  "at",
  "cur",
  "by",
  "last",
  "attempts",
  "tries",
  "deliveries",
  "started",
  "progress",
  "since",
  "run",
  "admitted",
  "created",
  "wait",
  "deadline",
  "letter",
  "image",
  "owner"
] as const

/** The words that scripts count with: digits. */
export const numbers = ["attempts", "tries", "deliveries", "progress", "run", "deadline"] as const

export type Fence = Readonly<Record<(typeof words)[number], string>>

/** A fence: five words, three numbers, one word and so on; the owner may contain spaces. As changing_words of fence.lua. */
const form = new RegExp(
  `^${words.map((name) => (name === "owner" ? "(.*)" : (numbers as ReadonlyArray<string>).includes(name) ? "(\\d+)" : "(\\S+)")).join(" ")}$`,
  "s"
)

/** A fence as an object; null when it has too few words, or no digits where scripts count. */
export const split = (text: string): Fence | null => {
  const found = form.exec(text)
  if (found === null) return null
  const fence: Record<string, string> = {}
  for (let i = 0; i < words.length; i++) fence[words[i]!] = found[i + 1]!
  return fence as Fence
}
