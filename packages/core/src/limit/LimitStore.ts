/**
 * LimitStore: the scripts of rate limits as typed calls. Requests to one limit in one tick share a call, in order of arrival,
 * so a request always reaches Redis before its own withdrawal. Limits do not wait for each other, because different servers may
 * hold them. Used by RateLimiter only.
 */
import { Duration, Effect, Schema } from "effect"
import type { LimitKeys } from "../redis/Keys.ts"
import { decodeReply } from "../redis/RedisClient.ts"
import type { RedisClient } from "../redis/RedisClient.ts"
import { RedisReplyInvalid } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import * as ServerTime from "../redis/ServerTime.ts"
import * as TickBatch from "../clock/TickBatch.ts"
import type { Limit } from "./Limit.ts"
import * as Preludes from "./Preludes.ts"

/** A limit and its keys. */
export interface Line {
  readonly limit: Limit
  readonly keys: LimitKeys
}

/** granted: at Redis's time `millis` · wait, booked: ask again in `millis` · refused: no place is kept. */
export interface Answer {
  readonly verdict: "granted" | "wait" | "booked" | "refused"
  readonly millis: number
  /** When granted: the time since the first request. */
  readonly waitedMillis: number
  /** When not granted: whether the limit is paused. */
  readonly isPaused: boolean
}

interface Take {
  readonly _tag: "take"
  readonly line: Line
  readonly id: string
  readonly place: string | null
  readonly units: number
  readonly patienceMillis: number
}
interface Settle {
  readonly _tag: "settle"
  readonly line: Line
  readonly id: string
  /** The place in line to give back; null: none. */
  readonly leave: string | null
  /** Units used; null: as many as were taken. */
  readonly used: number | null
  /** Units requested; use beyond them is charged, however long ago the request was granted. */
  readonly units: number
}

export interface LimitStore {
  readonly take: (request: Omit<Take, "_tag">) => Effect.Effect<Answer, RedisError>
  /** Ends a granted or waiting request; does nothing to any other. */
  readonly settle: (request: Omit<Settle, "_tag">) => Effect.Effect<void, RedisError>
  readonly pause: (line: Line, millis: number) => Effect.Effect<void, RedisError>
  /** Requests granted within the window that ends now. */
  readonly granted: (line: Line) => Effect.Effect<number, RedisError>
  /**
   * Renews permits. `"if free"`: one that has expired only while the limit has another to give. `"always"`: also beyond the limit.
   * Returns those that are lost, and Redis's clock as the limit knows it, epoch milliseconds.
   */
  readonly renew: (
    line: Line,
    ids: ReadonlyArray<string>,
    which: "if free" | "always"
  ) => Effect.Effect<{ readonly now: number; readonly lost: ReadonlyArray<string> }, RedisError>
}

const script = <A>(name: string, numberOfKeys: number, reply: Schema.ConstraintDecoder<A>) =>
  Script.make({
    file: new URL(`./scripts/${name}.lua`, import.meta.url),
    preludes: Preludes.limit,
    numberOfKeys,
    reply
  })
const takeScript = script(
  "limit-take",
  4,
  Schema.Array(Schema.Tuple([Schema.Literals(["granted", "wait", "booked", "refused"]), Schema.Int, Schema.Int]))
)
const settleScript = script("limit-settle", 3, Schema.Array(Schema.Literals([0, 1])))
const pauseScript = script("limit-pause", 1, Schema.Int)
const renewScript = script("limit-renew", 2, Schema.TupleWithRest(Schema.Tuple([Schema.Int]), [Schema.String]))

const decodeGrants = decodeReply("LRANGE", Schema.Array(Schema.NumberFromString))

/** Requests in one script call; a long script delays every client of Redis. */
const mostTogether = 32

const settled: Answer = { verdict: "granted", millis: 0, waitedMillis: 0, isPaused: false }

/** Splits requests into calls: consecutive requests of one kind to one limit share a call. */
const neighbours = <W extends { readonly item: Take | Settle }>(waiting: ReadonlyArray<W>) => {
  const calls: Array<Array<W>> = []
  const latest = new Map<string, Array<W>>()
  for (const one of waiting) {
    const { _tag, line } = one.item
    const open = latest.get(line.keys.state)
    const first = open?.[0]?.item
    if (open !== undefined && first?._tag === _tag && first.line.limit === line.limit) {
      open.push(one)
      continue
    }
    const call = [one]
    calls.push(call)
    latest.set(line.keys.state, call)
  }
  return calls
}

export const make = (
  redis: RedisClient["Service"],
  options: { readonly clockOffsetMillis: number; readonly leaseMillis: number }
): LimitStore => {
  const { clockOffsetMillis: offset, leaseMillis } = options

  const sendTakes = ({ keys, limit }: Line, takes: ReadonlyArray<Take>) =>
    redis
      .run(
        takeScript,
        [keys.state, keys.grants, keys.line, keys.held],
        [
          offset,
          Math.ceil(Duration.toMillis(limit.window)),
          limit.requests ?? 0,
          limit.burst ?? 0,
          limit.units ?? 0,
          limit.permits ?? 0,
          leaseMillis,
          ...takes.flatMap((take) => [
            take.id,
            take.place ?? "",
            Math.ceil(take.units),
            Math.max(0, Math.floor(take.patienceMillis))
          ])
        ]
      )
      .pipe(
        Effect.map((rows) =>
          rows.map(([verdict, millis, more]): Answer =>
            verdict === "granted"
              ? { verdict, millis, waitedMillis: more, isPaused: false }
              : { verdict, millis, waitedMillis: 0, isPaused: more === 1 }
          )
        )
      )

  const sendSettles = ({ keys, limit }: Line, settles: ReadonlyArray<Settle>) =>
    redis
      .run(
        settleScript,
        [keys.state, keys.line, keys.held],
        [
          offset,
          Math.ceil(Duration.toMillis(limit.window)),
          ...settles.flatMap(({ id, leave, units, used }) => [
            id,
            leave ?? "",
            used === null ? -1 : Math.ceil(used),
            Math.min(Math.ceil(units), limit.units ?? 0)
          ])
        ]
      )
      .pipe(Effect.map((rows) => rows.map(() => settled)))

  const send = TickBatch.make(
    (items: ReadonlyArray<Take | Settle>): Effect.Effect<ReadonlyArray<Answer>, RedisError> => {
      const { _tag, line } = items[0]!
      return Effect.filterOrFail(
        _tag === "take"
          ? sendTakes(
              line,
              items.filter((one) => one._tag === "take")
            )
          : sendSettles(
              line,
              items.filter((one) => one._tag === "settle")
            ),
        (rows) => rows.length === items.length,
        (rows) =>
          new RedisReplyInvalid({ command: `limit-${_tag}`, reason: `${rows.length} answers to ${items.length}` })
      )
    },
    mostTogether,
    neighbours
  )

  return {
    take: (request) => send({ _tag: "take", ...request }),
    settle: (request) => Effect.asVoid(send({ _tag: "settle", ...request })),
    pause: ({ keys }, millis) => Effect.asVoid(redis.run(pauseScript, [keys.state], [offset, Math.ceil(millis)])),
    granted: ({ keys, limit }) =>
      Effect.gen(function* () {
        const sent = [
          redis.send("TIME"),
          redis.send("HGET", keys.state, "behind"),
          redis.send("LRANGE", keys.grants, 0, -1)
        ]
        const [time, behind, grants] = yield* Effect.all(sent, { concurrency: "unbounded" })
        const since = (yield* ServerTime.decode(time)) + offset + Number(behind ?? 0) - Duration.toMillis(limit.window)
        return (yield* decodeGrants(grants)).filter((at) => at > since).length
      }),
    renew: ({ keys, limit }, ids, which) =>
      Effect.map(
        redis.run(
          renewScript,
          [keys.state, keys.held],
          [offset, leaseMillis, which === "always" ? 1 : 0, limit.permits ?? 0, ...ids]
        ),
        ([now, ...lost]) => ({ now, lost })
      )
  }
}
