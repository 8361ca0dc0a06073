/**
 * LookMemory: the pages on which a look found no picture, so that the next runs, which mostly find the same articles, skip them:
 * for a day if a page has no picture, after three looks if it was slow or did not answer.
 * Shared by the fleet, a key in Redis for each page. A forgotten entry costs another look and nothing else, so if Redis does not
 * answer, this is logged once and looks continue without it.
 */
import { RedisClient } from "@eco2/core/redis"
import { OutageLog } from "@eco2/core/telemetry"
import { Context, Duration, Effect, Layer, Option, Schema } from "effect"
import * as FoundArticle from "../source/FoundArticle.ts"
import { outcomes } from "./OgImage.ts"
import type { Outcome } from "./OgImage.ts"
import * as NewsKeys from "../store/NewsKeys.ts"

/** The outcome of the last look at a page, and the number of looks. */
export interface Remembered {
  readonly outcome: Outcome
  readonly looks: number
}

export class LookMemory extends Context.Service<
  LookMemory,
  {
    /** What is remembered of these pages, by URL. One round trip. */
    readonly recall: (urls: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Remembered>>
    /** Remembers a look for a day. */
    readonly remember: (url: string, last: Remembered) => Effect.Effect<void>
  }
>()("@eco2/news/collect/LookMemory") {}

const kept = Duration.toMillis("1 day")
const mostLooks = 3

/** Whether the page is not looked at again until the entry expires. */
export const isSpent = ({ looks, outcome }: Remembered): boolean =>
  outcome === "none" || outcome === "other" || outcome === "refused" || looks >= mostLooks

const Reply = Schema.Array(Schema.NullOr(Schema.String))
const Entry = Schema.fromJsonString(Schema.Tuple([Schema.Literals(outcomes), Schema.Int]))
const read = Schema.decodeUnknownOption(Entry)

export const layer: Layer.Layer<LookMemory, never, RedisClient.RedisClient> = Layer.effect(
  LookMemory,
  Effect.gen(function* () {
    const redis = yield* RedisClient.RedisClient
    const keyOf = (url: string) => NewsKeys.look(redis.keys, FoundArticle.hash("sha256", url, 24))
    const outage = OutageLog.make("page lookups cannot be stored", "page lookups are stored again")
    return {
      recall: (urls) =>
        urls.length === 0
          ? Effect.succeed(new Map())
          : redis.send("MGET", ...urls.map(keyOf)).pipe(
              Effect.flatMap(Schema.decodeUnknownEffect(Reply)),
              Effect.map(
                (texts) =>
                  new Map(
                    urls.flatMap((url, i) =>
                      Option.match(read(texts[i]), {
                        onNone: () => [],
                        onSome: ([outcome, looks]) => [[url, { outcome, looks }] as const]
                      })
                    )
                  )
              ),
              Effect.tap(outage.over),
              Effect.catch((error) => Effect.as(outage.failed(error), new Map<string, Remembered>()))
            ),
      remember: (url, { looks, outcome }) =>
        redis
          .send("SET", keyOf(url), JSON.stringify([outcome, looks]), "PX", kept)
          .pipe(Effect.andThen(outage.over), Effect.catch(outage.failed))
    }
  })
)
