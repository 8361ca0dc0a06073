/**
 * Spread: a time that many are told at once, made a time of each one's own: those who wait for the same moment would else all
 * come in the same instant, and be refused together again.
 */

const leastMillis = 500
const mostMillis = 10_000

/** Never sooner than told; later by chance, by up to a fifth of it, at least half a second and at most 10 seconds. */
export const millis = (told: number): number =>
  Math.ceil(told + Math.random() * Math.min(mostMillis, Math.max(leastMillis, told / 5)))
