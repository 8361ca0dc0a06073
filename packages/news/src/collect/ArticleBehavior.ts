/**
 * ArticleBehavior: stores late pictures in batches and puts them into the cache; renews the cache. Saving is idempotent and an
 * article keeps the picture it has, so a message may come twice or late. While a store is down, messages wait on durable
 * timers, without limit.
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

// errors of the stores; an article that is itself at fault is refused by `save`, it alone
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
