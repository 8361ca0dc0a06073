/**
 * FeedVersions: what feeds said of their version (ETag, Last-Modified), so that any worker may ask whether there is
 * anything new. In Redis, a key a feed; remembered only after what the version holds is stored, for a run that was lost
 * in between must be sent the feed again. Kept for a day and not renewed by a 304: once a day a feed is read whole.
 * A Redis that does not answer costs a whole feed, and is said once.
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
    /** Null where none is known. */
    readonly of: (feed: string) => Effect.Effect<Validators | null>
    readonly remember: (feed: string, version: Validators) => Effect.Effect<void>
  }
>()("@eco2/news/collect/FeedVersions") {}

const kept = Duration.toMillis("1 day")
const Stored = Schema.fromJsonString(Validators)
const read = Schema.decodeUnknownOption(Stored)
const keyOf = (feed: string) => NewsKeys.feed(FoundArticle.hash("sha256", feed, 24))

export const layer: Layer.Layer<FeedVersions, never, RedisClient.RedisClient> = Layer.effect(
  FeedVersions,
  Effect.gen(function* () {
    const redis = yield* RedisClient.RedisClient
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
