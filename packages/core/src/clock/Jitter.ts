/**
 * Jitter: spreads a shared wake-up time, so that waiters do not retry at the same moment and are not all refused again.
 */

const leastMillis = 500
const mostMillis = 10_000

/** `told` plus a random delay, never less: up to a fifth of `told`, where that fifth is bounded to 0.5 s … 10 s. */
export const millis = (told: number): number =>
  Math.ceil(told + Math.random() * Math.min(mostMillis, Math.max(leastMillis, told / 5)))
