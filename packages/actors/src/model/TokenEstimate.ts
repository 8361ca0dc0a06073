/**
 * TokenEstimate: how many tokens a call will use, estimated before it is made: what recent calls of the same model and kind
 * used, plus a margin; before the first such call, a guess by the length of the text. Each process keeps its own, because it
 * need only be roughly right: the reservation is settled by the usage that the provider reports.
 */
export interface TokenEstimate {
  /** `kind`: a model and a port. */
  readonly of: (kind: string, guess: number) => number
  readonly saw: (kind: string, tokens: number) => void
}

/** Above the mean: reserving too little lets calls through that the provider refuses. */
const margin = 1.15
const weight = 0.2

export const make = (): TokenEstimate => {
  const means = new Map<string, number>()
  return {
    of: (kind, guess) => Math.ceil((means.get(kind) ?? guess) * margin),
    saw: (kind, tokens) => {
      const mean = means.get(kind)
      means.set(kind, mean === undefined ? tokens : mean + (tokens - mean) * weight)
    }
  }
}

/** A token has about two letters in text of Korean and English together. */
export const ofText = (...texts: ReadonlyArray<string>): number => texts.reduce((sum, text) => sum + text.length / 2, 0)
