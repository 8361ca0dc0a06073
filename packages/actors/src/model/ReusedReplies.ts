/**
 * ReusedReplies: a reply to the same request is not bought again for a while (MODEL_REUSE): same bytes of the picture, question,
 * language, region, material, prompts and model; of the same user, unless MODEL_REUSE_SHARED lets all users share. A picture named
 * by an address counts by its bytes once it is fetched, so what stands behind the address may change. Redis being away means
 * buying.
 */
import { PaidCalls, Setting } from "@eco2/core"
import type { RedisError } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Config, Duration, Effect, Metric, Option, Schema } from "effect"
import type { ModelError } from "./ModelError.ts"
import * as ModelKeys from "./ModelKeys.ts"
import * as RequestKey from "./RequestKey.ts"
import { noTokens, Usage } from "./Usage.ts"

/** Model calls that were not made because their reply was known, by `model`. */
export const reused = Metric.counter("eco2_model_reused_total", {
  incremental: true,
  description: "model calls saved because their reply was known"
})

const settings = Config.all({
  /** MODEL_REUSE: how long a model's reply is used again for the same request; `off`: never. Default 1 hour. */
  reuse: Setting.parsed<Duration.Duration | null>("MODEL_REUSE", {
    default: Duration.hours(1),
    allowed: 'off, or a duration of at least a second, such as "1 hour"',
    parse: (text) => {
      if (text === "off") return null
      const value = Option.getOrUndefined(Duration.fromInput(text as Duration.Input))
      return value !== undefined && Duration.isFinite(value) && Duration.toMillis(value) >= 1_000 ? value : undefined
    }
  }),
  /** MODEL_REUSE_SHARED: whether a reply to one user is used for another's same request. Default false. */
  isShared: Setting.flag("MODEL_REUSE_SHARED", { default: false })
})

/** One kind of reply. `keep`: whether it is worth using again. */
export interface Kind<A> {
  readonly schema: Schema.Codec<A, unknown>
  readonly keep: (reply: A) => boolean
}

/** `request`: a RequestKey. */
export type Reuse = <A>(
  kind: Kind<A>,
  request: string,
  ask: Effect.Effect<A & { readonly usage: Usage }, ModelError>
) => Effect.Effect<A & { readonly usage: Usage }, ModelError>

export const make: Effect.Effect<Reuse, Config.ConfigError, RedisClient.RedisClient> = Effect.gen(function* () {
  const { isShared, reuse } = yield* settings
  const redis = yield* RedisClient.RedisClient
  const millis = reuse === null ? 0 : Math.ceil(Duration.toMillis(reuse))
  const quietly = (what: string) => (error: RedisError.RedisError | Schema.SchemaError) =>
    Effect.as(Effect.logDebug(what).pipe(Effect.annotateLogs({ error: error.message })), null)

  const reuseOf: Reuse = (kind, request, ask) =>
    Effect.gen(function* () {
      const { owner } = yield* PaidCalls.PaidCalls
      // without a user nobody may know whose it is
      if (reuse === null || (owner === "" && !isShared)) return yield* ask
      const stored = Schema.fromJsonString(Schema.Struct({ usage: Usage, reply: kind.schema }))
      const key = ModelKeys.reply(redis.keys, RequestKey.of([isShared ? null : owner, request]))
      const text = yield* Effect.catch(redis.send("GET", key), quietly("known replies could not be read"))
      const known = Option.getOrNull(Schema.decodeUnknownOption(stored)(text))
      if (known !== null) {
        const { model } = known.usage
        yield* Metric.update(Metric.withAttributes(reused, { model }), 1)
        yield* Effect.logInfo("the reply to the same request is used again").pipe(Effect.annotateLogs({ model }))
        return { ...known.reply, usage: { ...known.usage, ...noTokens } }
      }
      const reply = yield* ask
      if (kind.keep(reply)) {
        // whatever becomes of it: the reply is paid for, and is used
        yield* Schema.encodeEffect(stored)({ usage: reply.usage, reply }).pipe(
          Effect.flatMap((kept) => redis.send("SET", key, kept, "PX", millis)),
          Effect.catch(quietly("a reply could not be kept"))
        )
      }
      return reply
    })
  return reuseOf
})
