/**
 * DataDoctor: a Redis that is empty where Postgres is not, as after a restore that brought nothing back: nothing of this
 * installation is in it, or its data began after rows that users own were stored, and not longer than a day ago. Changes nothing.
 * RedisDoctor and PostgresDoctor report a store that does not answer; then there is no finding here.
 */
import { Postgres, PostgresConfig, PostgresStatement } from "@eco2/core/postgres"
import { DataId, RedisClient } from "@eco2/core/redis"
import { Clock, Effect, Layer, Option, Schema } from "effect"
import { ok, warn } from "./Finding.ts"
import type { Finding } from "./Finding.ts"

const check = "redis.data"
const advice =
  "if Redis was restored or emptied: stop all roles and restore it, docs/operations/backup.md; if this is a new Redis on purpose, nothing"
/** Clocks differ, and the first rows may be older than the first beat. */
const marginMillis = 60_000
/** A loss that everybody knows of is not told for ever. */
const toldMillis = 86_400_000

const olderRows = PostgresStatement.make({
  name: "doctor.older-rows",
  text: `SELECT EXISTS (SELECT FROM character.character_ownerships WHERE acquired_at < to_timestamp($1::float8 / 1000)) AS owned,
    EXISTS (SELECT FROM info.news_articles WHERE created_at < to_timestamp($1::float8 / 1000)) AS news`,
  row: Schema.Struct({ owned: Schema.Boolean, news: Schema.Boolean })
})

/** When this installation's data in Redis began: epoch milliseconds; null: there is none; "unknown": an earlier version wrote it. */
const beganInRedis = Effect.gen(function* () {
  const redis = yield* RedisClient.RedisClient
  const id = yield* redis.send("HGET", redis.keys.meta, "data")
  return typeof id === "string" ? (DataId.began(id) ?? "unknown") : null
})

/** What Postgres has from before that time, in words. */
const rowsBefore = Effect.fnUntraced(function* (epochMillis: number) {
  const postgres = yield* Postgres.Postgres
  const [found] = yield* postgres.run(olderRows, [Math.floor(epochMillis)])
  return [...(found?.owned ? ["characters that users own"] : []), ...(found?.news ? ["news"] : [])].join(" and ")
})

export const examine: Effect.Effect<ReadonlyArray<Finding>> = Effect.gen(function* () {
  if (Option.isNone(yield* PostgresConfig.databaseUrl)) return []
  const now = yield* Clock.currentTimeMillis
  const began = yield* Effect.provide(beganInRedis, Layer.fresh(RedisClient.layer))
  if (began === "unknown") return []
  if (began !== null && began < now - toldMillis) return [ok(check, `since ${new Date(began).toISOString()}`)]
  const older = yield* Effect.provide(
    rowsBefore(began === null ? now : began - marginMillis),
    Layer.fresh(Postgres.layer)
  )
  if (older === "")
    return [ok(check, began === null ? "none yet, and none in Postgres" : `since ${new Date(began).toISOString()}`)]
  return [
    warn(
      check,
      began === null
        ? `Redis is empty, and Postgres has ${older}`
        : `the data in Redis began at ${new Date(began).toISOString()}, and Postgres has ${older} from before`,
      advice
    )
  ]
}).pipe(Effect.catch(() => Effect.succeed([])))
