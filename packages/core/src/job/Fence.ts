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

export type Fence = Readonly<Record<(typeof words)[number], string>>

/** A fence as an object; null when it has too few words. */
export const split = (text: string): Fence | null => {
  const parts = text.split(" ")
  if (parts.length < words.length) return null
  const owner = parts.slice(words.length - 1).join(" ")
  return Object.fromEntries(words.map((name, i) => [name, name === "owner" ? owner : parts[i]!])) as Fence
}
