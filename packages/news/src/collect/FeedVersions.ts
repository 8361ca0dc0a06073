/**
 * FeedVersions: the last version of each feed (ETag, Last-Modified), so that any worker can send a conditional request. A key
 * in Redis for each feed. A version is stored only after its articles are, because a run that was lost in between must get the
 * feed again. Kept for a day and not renewed by a 304, so each feed is read in full once a day.
 * If Redis does not answer, the feed is read in full; this is logged once.
 */
import { RedisClient } from "@eco2/core/redis"
import { OutageLog } from "@eco2/core/telemetry"
import { Context, Duration, Effect, Layer, Option, Schema } from "effect"
import * as FoundArticle from "../source/FoundArticle.ts"
import { Validators } from "../source/NewsSource.ts"
import * as NewsKeys from "../store/NewsKeys.ts"

export class FeedVersions extends Context.Service<
  FeedVersions,
  {
    /** Null if no version is known. */
    readonly of: (feed: string) => Effect.Effect<Validators | null>
    readonly remember: (feed: string, version: Validators) => Effect.Effect<void>
  }
>()("@eco2/news/collect/FeedVersions") {}

const kept = Duration.toMillis("1 day")
const Stored = Schema.fromJsonString(Validators)
const read = Schema.decodeUnknownOption(Stored)

export const layer: Layer.Layer<FeedVersions, never, RedisClient.RedisClient> = Layer.effect(
  FeedVersions,
  Effect.gen(function* () {
    const redis = yield* RedisClient.RedisClient
    const keyOf = (feed: string) => NewsKeys.feed(redis.keys, FoundArticle.hash("sha256", feed, 24))
    const outage = OutageLog.make("feed versions cannot be stored", "feed versions are stored again")
    return {
      of: (feed) =>
        redis.send("GET", keyOf(feed)).pipe(
          Effect.map((text) => Option.getOrNull(read(text))),
          Effect.tap(outage.over),
          Effect.catch((error) => Effect.as(outage.failed(error), null))
        ),
      remember: (feed, version) =>
        redis
          .send("SET", keyOf(feed), JSON.stringify(version), "PX", kept)
          .pipe(Effect.andThen(outage.over), Effect.catch(outage.failed))
    }
  })
)
