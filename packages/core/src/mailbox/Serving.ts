/**
 * Serving: which processes of the fleet live, and how many of them serve each mailbox, as they say with each beat (Lease). For
 * whoever tells it: FleetTelemetry at a scrape, `eco2 doctor` on demand. Read-only.
 */
import { Effect, Schema } from "effect"
import * as Pairs from "../redis/Pairs.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as ServerTime from "../redis/ServerTime.ts"

/** alive: its lease is valid · expired: it is over · condemned: declared dead within ten minutes. */
export const states = ["alive", "expired", "condemned"] as const
export type State = (typeof states)[number]

export interface Serving {
  /** `<role>.<uuid>` → its state. */
  readonly processes: ReadonlyMap<string, State>
  /** Living processes that serve the mailbox; one that has not said yet what it serves (an earlier version) counts for each. */
  readonly servers: (mailbox: string) => number
}

const Words = Schema.Array(Schema.String)
const decodeLeases = decodeReply("ZRANGE", Words)
const decodeServing = decodeReply("HGETALL", Words)

/** Three commands. */
export const read = (clockOffsetMillis: number): Effect.Effect<Serving, RedisError, RedisClient> =>
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const [leases, serving, time] = yield* Effect.all(
      [
        Effect.flatMap(redis.send("ZRANGE", redis.keys.alive, 0, -1, "WITHSCORES"), decodeLeases),
        Effect.flatMap(redis.send("HGETALL", redis.keys.serving), decodeServing),
        Effect.flatMap(redis.send("TIME"), ServerTime.decode)
      ],
      { concurrency: "unbounded" }
    )
    const now = time + clockOffsetMillis
    const told = Pairs.toMap(serving)
    const processes = new Map<string, State>()
    const counts = new Map<string, number>()
    let untold = 0
    for (const [token, text] of Pairs.toMap(leases)) {
      const score = Number(text)
      const state = score < 0 ? "condemned" : score <= now ? "expired" : "alive"
      processes.set(token, state)
      if (state !== "alive") continue
      const names = told.get(token)
      if (names === undefined) untold++
      for (const name of names?.split(" ") ?? []) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    return { processes, servers: (mailbox) => (counts.get(mailbox) ?? 0) + untold }
  })
