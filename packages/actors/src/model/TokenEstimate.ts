/**
 * TokenEstimate: what a call will use, before it is made: what calls of its model and kind have used lately, and some more;
 * a guess by the length of what is sent, until one is known. A process's own memory: it only has to be about right, as what
 * was reserved is settled by what the provider reports.
 */
export interface TokenEstimate {
  /** `kind`: a model and what is asked of it. */
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

/** Of text in Korean and English together, a token has about two letters. */
export const ofText = (...texts: ReadonlyArray<string>): number => texts.reduce((sum, text) => sum + text.length / 2, 0)
