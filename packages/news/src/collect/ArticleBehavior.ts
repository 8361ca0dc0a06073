/**
 * ArticleBehavior: stores late pictures, many at once, and shows them to readers; refreshes the cache. Saving again changes
 * nothing, and an article that has a picture keeps it, so a message may come twice or late. While a store is away, messages
 * wait for it on durable timers, as long as it takes.
 */
import { BatchBehavior } from "@eco2/core"
import type { RedisError, Retry } from "@eco2/core"
import type { PostgresError } from "@eco2/core/postgres"
import { Duration, Effect } from "effect"
import type { Article } from "../domain/Article.ts"
import { ArticleReading } from "../store/ArticleReading.ts"
import { ArticleStore } from "../store/ArticleStore.ts"
import { ArticleActor } from "./ArticleActor.ts"

type Failure = PostgresError.PostgresError | RedisError.RedisError

// what is an article's own fault is refused by `save`, alone: these are the stores'
const retry: Retry.Policy<Failure> = {
  decide: () => Effect.succeed({ _tag: "later", delay: Duration.seconds(10) })
}

export const layer = BatchBehavior.layer(
  ArticleActor,
  Effect.gen(function* () {
    const store = yield* ArticleStore
    const reading = yield* ArticleReading
    return {
      AddPicture: Effect.fnUntraced(function* (articles: ReadonlyArray<Article>): Effect.fn.Return<void, Failure> {
        const { refused } = yield* store.save(articles)
        for (const { id, reason } of refused) {
          yield* Effect.logWarning("an article was refused").pipe(Effect.annotateLogs({ article: id, reason }))
        }
        yield* reading.warm
      }),
      Refresh: (): Effect.Effect<void, Failure> => Effect.asVoid(reading.warm)
    }
  }),
  { size: 100, within: "300 millis", concurrency: 2, whole: () => true, retry }
)
