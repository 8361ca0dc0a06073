/**
 * Plan: the faults that a run injects, with their times and victims, decided before the run by its seed alone.
 */
import { between, chance, pick } from "./Chance.ts"

/**
 * kill: SIGKILL, then another process in its place · freeze: SIGSTOP, later SIGCONT · cut: connections are reset once ·
 * refuse: reset and refused for a while · silence: nothing passes for a while · mute: requests pass, their answers are
 * lost · slow: every chunk is delayed · rolling: SIGTERM to one worker after another, each replaced · redis-restart, redis-kill:
 * SIGTERM, SIGKILL to Redis, then a restart on its AOF · redis-full: filled to maxmemory, later freed · redis-replicas: writes
 * need a replica that is missing (NOREPLICAS) · redis-disk: its snapshot cannot be written (MISCONF) · redis-busy: an endless
 * script (BUSY) · redis-forbidden: writes are not permitted (NOPERM) · redis-password: another password, all connections closed
 * (WRONGPASS), later the old one · redis-clients: all connections closed and no further one accepted · rotation: a second
 * password, then the file that processes read, later the first one is withdrawn and all connections closed · rotation-late:
 * another password, all connections closed, and the file later · cluster-failover: a replica takes over in agreement with its
 * master · reshard: a partition's slot moves to another master by redis-cli, and back · sentinel-failover: SENTINEL FAILOVER ·
 * partition: the master reaches its clients but neither its replicas nor the Sentinels
 */
export const kinds = [
  "kill",
  "freeze",
  "cut",
  "refuse",
  "silence",
  "mute",
  "slow",
  "rolling",
  "redis-restart",
  "redis-kill",
  "redis-full",
  "redis-replicas",
  "redis-disk",
  "redis-busy",
  "redis-forbidden",
  "redis-password",
  "redis-clients",
  "rotation",
  "rotation-late",
  "cluster-failover",
  "reshard",
  "sentinel-failover",
  "partition"
] as const
export type Kind = (typeof kinds)[number]

export interface Fault {
  readonly kind: Kind
  /** Milliseconds after the first submit. */
  readonly atMillis: number
  /** A place: `worker-0`, …, `submitter`, `gateway`; "" if the fault affects all. */
  readonly victim: string
  readonly forMillis: number
  /** slow: milliseconds of delay for each chunk. */
  readonly byMillis: number
}

/** The longest duration of each kind, milliseconds; beyond two leases, so that some outlast a lease and some do not. */
const longest: Record<Kind, number> = {
  kill: 1_000,
  freeze: 3_000,
  cut: 0,
  refuse: 1_500,
  silence: 3_000,
  mute: 300,
  slow: 2_500,
  rolling: 0,
  "redis-restart": 0,
  "redis-kill": 0,
  "redis-full": 2_000,
  "redis-replicas": 3_000,
  "redis-disk": 3_000,
  "redis-busy": 2_000,
  "redis-forbidden": 3_000,
  "redis-password": 3_000,
  "redis-clients": 2_000,
  rotation: 3_000,
  "rotation-late": 3_000,
  "cluster-failover": 0,
  reshard: 1_000,
  "sentinel-failover": 0,
  partition: 4_000
}
/** Weights after each kind has occurred once; the others have weight 1. */
const weights: Partial<Record<Kind, number>> = { kill: 3, freeze: 3, cut: 2, silence: 2, mute: 2, reshard: 3 }

/** Faults of one process; the others affect Redis or all workers. */
const ofOneProcess = new Set<Kind>(["kill", "freeze", "cut", "refuse", "silence", "mute", "slow"])

/** Faults over `spanMillis`, one every `everyMillis` on average, each of `kinds` at least once; sorted by time. */
export const make = (options: {
  readonly seed: number
  readonly kinds: readonly [Kind, ...ReadonlyArray<Kind>]
  readonly spanMillis: number
  readonly everyMillis: number
  readonly workers: number
}): ReadonlyArray<Fault> => {
  const { kinds, seed, spanMillis, workers } = options
  const often: readonly [Kind, ...ReadonlyArray<Kind>] = [
    kinds[0],
    ...kinds.flatMap((kind, i) => Array<Kind>((weights[kind] ?? 1) - (i === 0 ? 1 : 0)).fill(kind))
  ]
  const count = Math.max(kinds.length, Math.floor(spanMillis / options.everyMillis))
  const first = kinds.toSorted((a, b) => chance(seed, "order", a) - chance(seed, "order", b))
  return Array.from({ length: count }, (_, i): Fault => {
    const kind = first[i] ?? pick(chance(seed, "kind", i), often)
    const whose = chance(seed, "whose", i)
    const worker = `worker-${Math.floor(chance(seed, "worker", i) * workers)}`
    const everybody = !ofOneProcess.has(kind)
    // freezing a submitter tests nothing: nobody waits for it, and its work resumes where it was
    const other = whose < 0.75 ? worker : whose < 0.88 && kind !== "freeze" ? "submitter" : "gateway"
    return {
      kind,
      atMillis: ((i + chance(seed, "at", i)) * spanMillis) / count,
      victim: everybody ? "" : i < kinds.length && (kind === "kill" || kind === "freeze") ? worker : other,
      forMillis: Math.round(between(chance(seed, "for", i), 0.05, 1) * longest[kind]),
      byMillis: Math.round(between(chance(seed, "by", i), 10, 150))
    }
  })
}

export const describe = ({ atMillis, byMillis, forMillis, kind, victim }: Fault): string =>
  [
    `${(atMillis / 1000).toFixed(1)} s`,
    kind,
    victim,
    forMillis > 0 ? `for ${forMillis} ms` : "",
    kind === "slow" ? `by ${byMillis} ms` : ""
  ]
    .filter((word) => word !== "")
    .join(" ")
