/**
 * LimitStore: the scripts of rate limits as typed calls. What fibers ask of one limit in one tick travels together, in the
 * order in which they asked: somebody who gives up is never overtaken by his own request. For RateLimiter alone.
 */
import { Duration, Effect, Schema } from "effect"
import type { LimitKeys } from "../redis/Keys.ts"
import type { RedisClient } from "../redis/RedisClient.ts"
import { RedisReplyInvalid } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import * as TickBatch from "../redis/TickBatch.ts"
import type { Limit } from "./Limit.ts"

/** A limit, and where it is kept. */
export interface Line {
  readonly limit: Limit
  readonly keys: LimitKeys
}

/** granted: at Redis's time `millis` · wait, booked: come again in `millis` · refused: nothing is kept. */
export interface Answer {
  readonly verdict: "granted" | "wait" | "booked" | "refused"
  readonly millis: number
  /** Of those granted: since they first asked. */
  readonly waitedMillis: number
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
  /** The place in line to give back, if it may have one. */
  readonly leave: string | null
  /** Null: as many as were taken. */
  readonly used: number | null
}

export interface LimitStore {
  readonly take: (request: Omit<Take, "_tag">) => Effect.Effect<Answer, RedisError>
  /** Ends a request, granted or waiting; harmless for one that is neither. */
  readonly settle: (request: Omit<Settle, "_tag">) => Effect.Effect<void, RedisError>
  readonly pause: (line: Line, millis: number) => Effect.Effect<void, RedisError>
  /** Requests granted within the window that ends now. */
  readonly granted: (line: Line) => Effect.Effect<number, RedisError>
  /** Answers the permits that are lost. */
  readonly renew: (line: Line, ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, RedisError>
}

const script = <A>(name: string, numberOfKeys: number, reply: Schema.ConstraintDecoder<A>) =>
  Script.make({
    file: new URL(`./scripts/${name}.lua`, import.meta.url),
    preludes: [new URL("./scripts/limit.lua", import.meta.url)],
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
const renewScript = script("limit-renew", 2, Schema.Array(Schema.String))

const Grants = Schema.Tuple([Schema.Tuple([Schema.String, Schema.String]), Schema.Array(Schema.String)])

/** Requests in one script call: a script holds Redis up for all. */
const mostTogether = 32

const settled: Answer = { verdict: "granted", millis: 0, waitedMillis: 0 }

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
        Effect.map((rows) => rows.map(([verdict, millis, waitedMillis]): Answer => ({ verdict, millis, waitedMillis })))
      )

  const sendSettles = ({ keys, limit }: Line, settles: ReadonlyArray<Settle>) =>
    redis
      .run(
        settleScript,
        [keys.state, keys.line, keys.held],
        [
          offset,
          Math.ceil(Duration.toMillis(limit.window)),
          ...settles.flatMap(({ id, leave, used }) => [id, leave ?? "", used === null ? -1 : Math.ceil(used)])
        ]
      )
      .pipe(Effect.map((rows) => rows.map(() => settled)))

  /** Neighbours of one kind and limit share a call; calls leave in the order of their first. */
  const send = TickBatch.make(
    (items: ReadonlyArray<Take | Settle>): Effect.Effect<ReadonlyArray<Answer>, RedisError> => {
      const calls: Array<{ readonly first: Take | Settle; readonly at: Array<number> }> = []
      const latest = new Map<string, (typeof calls)[number]>()
      for (const [i, item] of items.entries()) {
        const open = latest.get(item.line.keys.state)
        if (open !== undefined && open.first._tag === item._tag && open.first.line.limit === item.line.limit) {
          open.at.push(i)
          continue
        }
        const call = { first: item, at: [i] }
        calls.push(call)
        latest.set(item.line.keys.state, call)
      }
      return Effect.gen(function* () {
        const answers: Array<Answer> = []
        yield* Effect.forEach(
          calls,
          ({ at, first }) => {
            const some = at.map((i) => items[i]!)
            const run: Effect.Effect<ReadonlyArray<Answer>, RedisError> = first._tag === "take"
              ? sendTakes(
                  first.line,
                  some.filter((one) => one._tag === "take")
                )
              : sendSettles(
                  first.line,
                  some.filter((one) => one._tag === "settle")
                )
            return Effect.flatMap(run, (rows) =>
              rows.length === at.length
                ? Effect.sync(() => at.forEach((i, n) => (answers[i] = rows[n]!)))
                : Effect.fail(
                    new RedisReplyInvalid({
                      command: `limit-${first._tag}`,
                      reason: `${rows.length} answers to ${at.length}`
                    })
                  )
            )
          },
          { concurrency: "unbounded", discard: true }
        )
        return answers
      })
    },
    mostTogether
  )

  return {
    take: (request) => send({ _tag: "take", ...request }),
    settle: (request) => Effect.asVoid(send({ _tag: "settle", ...request })),
    pause: ({ keys }, millis) => Effect.asVoid(redis.run(pauseScript, [keys.state], [offset, Math.ceil(millis)])),
    granted: ({ keys, limit }) =>
      Effect.flatMap(
        Effect.zip(redis.send("TIME"), redis.send("LRANGE", keys.grants, 0, -1), { concurrent: true }),
        (replies) =>
          Schema.decodeUnknownEffect(Grants)(replies).pipe(
            Effect.mapError((issue) => new RedisReplyInvalid({ command: "LRANGE", reason: String(issue) })),
            Effect.map(([[seconds, micros], times]) => {
              const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000) + offset
              const since = now - Duration.toMillis(limit.window)
              return times.filter((time) => Number(time) > since).length
            })
          )
      ),
    renew: ({ keys, limit }, ids) =>
      redis.run(renewScript, [keys.state, keys.held], [offset, leaseMillis, limit.permits ?? 0, ...ids])
  }
}
