/**
 * Fence: what transitions change of a job, in one field of its hash, `now`. Written by scripts alone (scripts/fence.lua, which
 * says what the words mean); here it is read. Pure.
 */

/** The words in order; the owner, which may hold spaces, comes last. */
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

/** A fence taken apart; null where it has too few words. */
export const split = (text: string): Fence | null => {
  const parts = text.split(" ")
  if (parts.length < words.length) return null
  const owner = parts.slice(words.length - 1).join(" ")
  return Object.fromEntries(words.map((name, i) => [name, name === "owner" ? owner : parts[i]!])) as Fence
}
