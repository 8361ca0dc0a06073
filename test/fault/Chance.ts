/**
 * Chance: every random decision of a run, determined by its seed and its subject, so that the same seed decides the same in
 * whatever order events come.
 */
import { createHash } from "node:crypto"

/** At least 0, below 1; the same for the same words. */
export const chance = (seed: number, ...about: ReadonlyArray<string | number>): number =>
  createHash("md5")
    .update(`${seed}/${about.join("/")}`)
    .digest()
    .readUInt32BE(0) /
  2 ** 32

/** Between `low` and `high`. */
export const between = (share: number, low: number, high: number): number => low + share * (high - low)

export const pick = <A>(share: number, from: readonly [A, ...ReadonlyArray<A>]): A =>
  from[Math.floor(share * from.length)] ?? from[0]
