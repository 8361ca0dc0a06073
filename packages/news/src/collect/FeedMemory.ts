/**
 * FeedMemory: what each feed said, for all workers: its version (ETag, Last-Modified), so that the next request is conditional;
 * where it has moved for good, so that the old address is not asked; and that it is gone. Two keys in Redis for each feed.
 * A version is stored only after all articles of its document are, because what was not stored must be sent again. Kept for a
 * day and not renewed by a 304, so each feed is read in full, and its old address asked, once a day.
 * If Redis does not answer, the feed is read in full; this is logged once.
 */
import { RedisClient } from "@eco2/core/redis"
import { OutageLog } from "@eco2/core/telemetry"
import { Context, Duration, Effect, Layer, Option, Schema } from "effect"
import { Validators } from "../source/NewsSource.ts"
import { feedId } from "../source/RssSource.ts"
import * as NewsKeys from "../store/NewsKeys.ts"

/** `moved_to`: null: it has not; `gone`: a 410 was answered. */
export const Place = Schema.Struct({ moved_to: Schema.NullOr(Schema.String), gone: Schema.Boolean })
export type Place = typeof Place.Type

export interface Remembered {
  readonly version: Validators | null
  readonly place: Place
}

export class FeedMemory extends Context.Service<
  FeedMemory,
  {
    readonly of: (feed: string) => Effect.Effect<Remembered>
    readonly rememberVersion: (feed: string, version: Validators) => Effect.Effect<void>
    readonly rememberPlace: (feed: string, place: Place) => Effect.Effect<void>
  }
>()("@eco2/news/collect/FeedMemory") {}

export const here: Place = { moved_to: null, gone: false }

const kept = Duration.toMillis("1 day")
const Reply = Schema.Tuple([Schema.NullOr(Schema.String), Schema.NullOr(Schema.String)])
const readVersion = Schema.decodeUnknownOption(Schema.fromJsonString(Validators))
const readPlace = Schema.decodeUnknownOption(Schema.fromJsonString(Place))

export const layer: Layer.Layer<FeedMemory, never, RedisClient.RedisClient> = Layer.effect(
  FeedMemory,
  Effect.gen(function* () {
    const redis = yield* RedisClient.RedisClient
    const outage = OutageLog.make("what feeds said cannot be stored", "what feeds said is stored again")
    const set = (key: string, value: unknown) =>
      redis
        .send("SET", key, JSON.stringify(value), "PX", kept)
        .pipe(Effect.andThen(outage.over), Effect.catch(outage.failed))
    return {
      of: (feed) =>
        redis.send("MGET", NewsKeys.feed(redis.keys, feedId(feed)), NewsKeys.place(redis.keys, feedId(feed))).pipe(
          Effect.flatMap(Schema.decodeUnknownEffect(Reply)),
          Effect.map(([version, place]): Remembered => ({
            version: Option.getOrNull(readVersion(version)),
            place: Option.getOrElse(readPlace(place), () => here)
          })),
          Effect.tap(outage.over),
          Effect.catch((error) => Effect.as(outage.failed(error), { version: null, place: here }))
        ),
      rememberVersion: (feed, version) => set(NewsKeys.feed(redis.keys, feedId(feed)), version),
      rememberPlace: (feed, place) => set(NewsKeys.place(redis.keys, feedId(feed)), place)
    }
  })
)
