/**
 * Errand: the pipeline that the fault suite runs, `look → weigh → write → send`. Each stage calls the model server once an
 * attempt and returns its answer, so that a checkpoint's content can be verified, not only its presence. Jobs are numbered; the
 * number and the seed decide a job's owner and fate.
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

/** Has the name of the pipeline that the gateway shows to viewers: it knows no other. */
export const Errand = Pipeline.make("scan", { input: Input }).add(look).add(weigh).add(write).add(send)
export const stages = ["look", "weigh", "write", "send"] as const
export type StageName = (typeof stages)[number]

/** The model's answer to a job's stage. */
export const wordsOf = (stage: string, number: number): string => `${stage} of ${number}`

export const owners = 25
export const ownerOf = (number: number): string => `user-${number % owners}`
export const keyOf = (number: number): string => `errand-${number}`

/**
 * plain · cancelled: by its owner, soon after submit · hopeless: `weigh` is refused permanently · stubborn: `weigh` fails until
 * the job has been parked once.
 */
export type Fate = "plain" | "cancelled" | "hopeless" | "stubborn"
export const fateOf = (seed: number, number: number): Fate => {
  const share = chance(seed, "fate", number)
  return share < 0.03 ? "cancelled" : share < 0.04 ? "hopeless" : share < 0.05 ? "stubborn" : "plain"
}

/** Attempts of a round while a model is busy; a stubborn job's `weigh` fails more often than that. */
export const attemptsPerRound = 4
export const stubbornFailures = attemptsPerRound + 1
