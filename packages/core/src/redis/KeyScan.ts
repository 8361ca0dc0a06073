/**
 * KeyScan: iterates over all keys of all masters. For start-up and operators only, because it reads every key name in Redis.
 */
import type { Redis as StandaloneRedis } from "ioredis"
import { Effect } from "effect"
import { fromPromise } from "./Command.ts"
import { mastersOf } from "./Connection.ts"
import type { Connection } from "./Connection.ts"
import type { RedisError } from "./RedisError.ts"

/** Keys that one SCAN command examines. */
const step = 1_000

export interface KeyScan {
  /**
   * Every key that matches, from all masters, page by page. A key that exists during the whole scan is returned, perhaps
   * twice. Empty pages are left out. Examines every key in Redis: for start-up, never on a hot path.
   * `pause`: runs after each command, so that a long scan may be a slow one.
   */
  readonly scanPages: <E, R>(
    pattern: string,
    page: (keys: ReadonlyArray<string>) => Effect.Effect<void, E, R>,
    pause?: Effect.Effect<void, E, R>
  ) => Effect.Effect<void, RedisError | E, R>
  /** Every key that matches, from all masters; for tests and tools, never on a hot path. */
  readonly scan: (pattern: string) => Effect.Effect<ReadonlyArray<string>, RedisError>
}

/** `counted`: wraps each command. */
export const make = (
  shared: Connection,
  counted: <A>(effect: Effect.Effect<A, RedisError>) => Effect.Effect<A, RedisError>
): KeyScan => {
  const masters = counted(fromPromise("CLUSTER SLOTS", () => mastersOf(shared)))
  const scanOnce = (node: StandaloneRedis, pattern: string, cursor: string) =>
    counted(fromPromise("SCAN", () => node.scan(cursor, "MATCH", pattern, "COUNT", step)))
  const scanPages: KeyScan["scanPages"] = (pattern, page, pause = Effect.void) =>
    Effect.gen(function* () {
      for (const node of yield* masters) {
        let cursor = "0"
        do {
          const [next, keys] = yield* scanOnce(node, pattern, cursor)
          if (keys.length > 0) yield* page(keys)
          cursor = next
          yield* pause
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
    }
  }
}
