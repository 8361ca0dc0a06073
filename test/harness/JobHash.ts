/**
 * JobHash: a job's hash for tests: the fence as its words ("" for none), the checkpoints without the time that their stage took
 * (`d:<stage>`), the stages of the plan.
 */
import { Fence } from "@eco2/core"

type Fields = Readonly<Record<string, string>>

export const expand = (hash: Fields): Fields => {
  const { now, ...rest } = hash
  const words = now === undefined ? null : Fence.split(now)
  if (words === null) return hash
  const fields: Record<string, string> = {}
  for (const [name, word] of Object.entries(words)) fields[name] = word === "-" ? "" : word
  // an implied history has two events for each stage, after `queued`
  const [, implied] = /^~(\d+)$/.exec(words.started) ?? []
  if (implied !== undefined) fields.started = Number(implied) > 0 && Number(implied) % 2 === 0 ? "1" : ""
  for (const [name, value] of Object.entries(rest)) {
    if (name.startsWith("o:")) {
      const space = value.indexOf(" ")
      fields[`d:${name.slice(2)}`] = String(Number.parseInt(value, 10))
      fields[name] = value.slice(space + 1)
    } else fields[name] = value
  }
  return fields
}

/** Names of the stages of a job's plan, in order. */
export const stagesOf = (about: string): ReadonlyArray<string> =>
  (JSON.parse(about) as { readonly plan: string }).plan.split(" ").map((step) => step.split(":")[0]!)

/** The fence with some words replaced, as text. */
export const fenceWith = (fence: string, words: Partial<Record<(typeof Fence.words)[number], string>>): string => {
  const known = Fence.split(fence)
  if (known === null) throw new Error(`"${fence}" is no fence`)
  return Fence.words.map((name) => words[name] ?? known[name]).join(" ")
}
