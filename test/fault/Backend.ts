/**
 * Backend: the Redis of a run, its topology, and the faults that befall it. Each topology has a file of its own: Standalone,
 * Cluster, Sentinel.
 */
import type { Cluster, Redis } from "ioredis"
import * as NetworkLink from "./NetworkLink.ts"
import type { Fault, Kind } from "./Plan.ts"

export const topologies = ["standalone", "cluster", "sentinel"] as const
export type Topology = (typeof topologies)[number]

export interface Backend {
  /** Where processes connect; where they connect through a proxy each, `port` is what the proxy stands before. */
  readonly url: string
  readonly port: number | null
  /** Settings that a process needs to connect. */
  readonly settings: Readonly<Record<string, string>>
  /** A client from outside, for the verification. */
  readonly outside: Redis | Cluster
  /** Every key, on every master. */
  readonly keys: () => Promise<ReadonlyArray<string>>
  /** Injects one fault of this Redis; settles when it is over. */
  readonly inject: (fault: Fault) => Promise<void>
  readonly stop: () => Promise<void>
}

/** Faults of the processes, and of their connections through a proxy. */
const ofProcesses = ["kill", "freeze", "rolling"] as const satisfies ReadonlyArray<Kind>
const ofConnections = ["cut", "refuse", "silence", "mute", "slow"] as const satisfies ReadonlyArray<Kind>
/** Rotations of the password that processes read from a file. */
const ofPasswords = ["rotation", "rotation-late"] as const satisfies ReadonlyArray<Kind>

/** The faults of a run on this topology, on this machine. */
export const kindsOf: Readonly<Record<Topology, readonly [Kind, ...ReadonlyArray<Kind>]>> = {
  standalone: [
    ...ofProcesses,
    ...ofConnections,
    "redis-restart",
    "redis-kill",
    "redis-full",
    "redis-replicas",
    "redis-disk",
    "redis-busy",
    "redis-forbidden",
    "redis-password",
    "redis-clients",
    ...ofPasswords
  ],
  cluster: [...ofProcesses, "cluster-failover", "reshard", ...ofPasswords],
  sentinel: [
    ...ofProcesses,
    "sentinel-failover",
    ...(NetworkLink.isPermitted ? (["partition"] as const) : []),
    ...ofPasswords
  ]
}
