/** CacheConfig: how long cached news is current, and how long it is kept. An invalid value stops the process at start. */
import { Setting } from "@eco2/core"
import { Config, Duration, Effect } from "effect"

export const CacheConfig = Config.all({
  /** NEWS_CACHE_TTL: how long lists are current; then they are read from Postgres again. Default 1 hour. */
  lists: Setting.duration("NEWS_CACHE_TTL", { default: "1 hour", min: "1 second" }),
  /** ARTICLE_CACHE_TTL: how long lists and articles are kept; at least NEWS_CACHE_TTL. Default 24 hours. */
  articles: Setting.duration("ARTICLE_CACHE_TTL", { default: "24 hours", min: "1 second" })
}).pipe(
  Config.mapEffect((given) =>
    Duration.isLessThan(given.articles, given.lists)
      ? Effect.fail(
          Setting.refuse(
            "ARTICLE_CACHE_TTL is less than NEWS_CACHE_TTL; lists would be kept longer than their articles"
          )
        )
      : Effect.succeed(given)
  )
)
export type CacheConfig = Config.Success<typeof CacheConfig>
