/**
 * KeyScan: going through all keys of all masters. For starting up and for operators: it looks at every key there is.
 */
import type { Redis as StandaloneRedis } from "ioredis"
import { Effect } from "effect"
import { fromPromise } from "./Command.ts"
import { mastersOf } from "./Connection.ts"
import type { Connection } from "./Connection.ts"
import type { RedisError } from "./RedisError.ts"

/** Keys looked at by one command. */
const step = 1_000

export interface KeyScan {
  /**
   * Every key that matches, from all masters, a page at a time: all that are there from beginning to end, some perhaps
   * twice. Looks at every key there is, so it is for starting up, not for a hot path. Pages that find nothing are left out.
   */
  readonly scanPages: <E, R>(
    pattern: string,
    page: (keys: ReadonlyArray<string>) => Effect.Effect<void, E, R>
  ) => Effect.Effect<void, RedisError | E, R>
  /** Every key that matches, from all masters; for tests and tools, never on a hot path. */
  readonly scan: (pattern: string) => Effect.Effect<ReadonlyArray<string>, RedisError>
  /** As `scan`, but no more than about `mostKeys` keys of each master are looked at; `complete`: it came to the end. */
  readonly sweep: (
    pattern: string,
    mostKeys: number
  ) => Effect.Effect<{ readonly keys: ReadonlyArray<string>; readonly complete: boolean }, RedisError>
}

/** `counted`: what is done around each command. */
export const make = (
  shared: Connection,
  counted: <A>(effect: Effect.Effect<A, RedisError>) => Effect.Effect<A, RedisError>
): KeyScan => {
  /** A Cluster's are known once it has answered anything. */
  const masters = Effect.suspend(() =>
    mastersOf(shared).length > 0
      ? Effect.succeed(mastersOf(shared))
      : Effect.map(counted(fromPromise("PING", () => shared.ping())), () => mastersOf(shared))
  )
  const scanOnce = (node: StandaloneRedis, pattern: string, cursor: string) =>
    counted(fromPromise("SCAN", () => node.scan(cursor, "MATCH", pattern, "COUNT", step)))
  const scanPages: KeyScan["scanPages"] = (pattern, page) =>
    Effect.gen(function* () {
      for (const node of yield* masters) {
        let cursor = "0"
        do {
          const [next, keys] = yield* scanOnce(node, pattern, cursor)
          if (keys.length > 0) yield* page(keys)
          cursor = next
        } while (cursor !== "0")
      }
    })
  return {
    scanPages,
    scan: (pattern) => {
      const found: Array<string> = []
      return Effect.as(
        scanPages(pattern, (keys) => Effect.sync(() => void found.push(...keys))),
        found
      )
    },
    sweep: (pattern, mostKeys) =>
      Effect.gen(function* () {
        const found: Array<string> = []
        let complete = true
        for (const node of yield* masters) {
          let cursor = "0"
          let left = mostKeys
          do {
            const [next, keys] = yield* scanOnce(node, pattern, cursor)
            found.push(...keys)
            cursor = next
            left -= step
          } while (cursor !== "0" && left > 0)
          complete &&= cursor === "0"
        }
        return { keys: found, complete }
      })
  }
}
