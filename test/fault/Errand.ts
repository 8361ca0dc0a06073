/**
 * Errand: the pipeline the fault suite runs, `look → weigh → write → send`; each stage calls the model server once an
 * attempt and leaves what it answered, so that a checkpoint is right or wrong, not only there.
 * And who does what: jobs are numbered, the number and the seed decide a job's owner and its fate.
 */
import { Pipeline, Stage } from "@eco2/core"
import { Schema } from "effect"
import { chance } from "./Chance.ts"

export const Input = Schema.Struct({ number: Schema.Int })
export const Said = Schema.Struct({ words: Schema.String })

const options = { output: Said, timeout: "20 seconds", concurrency: 30 } as const
const look = Stage.make("look", { ...options, needs: { input: Input }, progress: 25 })
const weigh = Stage.make("weigh", { ...options, needs: { input: Input, look: Said }, progress: 50 })
const write = Stage.make("write", { ...options, needs: { input: Input, weigh: Said }, progress: 75 })
const send = Stage.make("send", { ...options, needs: { input: Input, look: Said, write: Said }, progress: 100 })

/** Named as what the gateway shows to viewers: it knows no other pipeline. */
export const Errand = Pipeline.make("scan", { input: Input }).add(look).add(weigh).add(write).add(send)
export const stages = ["look", "weigh", "write", "send"] as const
export type StageName = (typeof stages)[number]

/** What the model answers to a job's stage. */
export const wordsOf = (stage: string, number: number): string => `${stage} of ${number}`

export const owners = 25
export const ownerOf = (number: number): string => `user-${number % owners}`
export const keyOf = (number: number): string => `errand-${number}`

/**
 * plain · cancelled: by its owner, soon after · hopeless: `weigh` is refused for good · stubborn: `weigh` fails until the
 * job has been parked once.
 */
export type Fate = "plain" | "cancelled" | "hopeless" | "stubborn"
export const fateOf = (seed: number, number: number): Fate => {
  const share = chance(seed, "fate", number)
  return share < 0.03 ? "cancelled" : share < 0.04 ? "hopeless" : share < 0.05 ? "stubborn" : "plain"
}

/** Attempts a round has for a model that is busy, and how often a stubborn job's `weigh` fails: more than one round's. */
export const attemptsPerRound = 4
export const stubbornFailures = attemptsPerRound + 1
