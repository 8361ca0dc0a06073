/**
 * NewsWorker: a worker of the news pipeline that asks no source: the test says what each feed's run comes to. With the pipeline of
 * the package news, so that operators see what they see of the real one. Its schedules never fire by themselves.
 */
import { CoreConfig, Retry, Schedule, StageBehavior, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Duration, Effect, Layer, ManagedRuntime, References } from "effect"
import { NewsPipeline } from "../../packages/news/src/collect/NewsPipeline.ts"
import { SourceRefused } from "../../packages/news/src/source/NewsSource.ts"

export interface NewsWorker {
  readonly stop: () => Promise<void>
}

/** `feeds`: their rejected items by cause; null: the feed refuses. A schedule for each, `news-<feed>`. */
export const start = async (
  redisUrl: string,
  feeds: Readonly<Record<string, Readonly<Record<string, number>> | null>>
): Promise<NewsWorker> => {
  const stages = Layer.mergeAll(
    StageBehavior.layer(
      NewsPipeline,
      "fetch",
      Effect.succeed(({ input }) => {
        const causes = feeds[input.feed ?? ""]
        if (causes === null || causes === undefined) {
          return Effect.fail(new SourceRefused({ source: input.source, message: "403" }))
        }
        const rejected = Object.values(causes).reduce((sum, items) => sum + items, 0)
        return Effect.succeed({ fetched: 20, rejected, causes, left: 0, articles: [], versions: [], began_ms: 1 })
      }),
      { retry: Retry.policy<SourceRefused>({ never: ["SourceRefused"] }) }
    ),
    StageBehavior.layer(
      NewsPipeline,
      "enrich",
      Effect.succeed(() => Effect.succeed({ articles: [], with_images: 0 }))
    ),
    StageBehavior.layer(
      NewsPipeline,
      "store",
      Effect.succeed(() => Effect.succeed({ saved: 3, refused: 0 }))
    ),
    StageBehavior.layer(
      NewsPipeline,
      "warm",
      Effect.succeed(({ enrich, fetch, input, store }) =>
        Effect.succeed({
          status: "completed" as const,
          fetched: fetch.fetched,
          unique: fetch.fetched,
          saved: store.saved,
          cached: 3,
          with_images: enrich.with_images,
          category: input.category,
          rejected: fetch.causes ?? {},
          left: fetch.left ?? 0,
          refused: store.refused,
          skipped: []
        })
      )
    ),
    ...Object.keys(feeds).map((feed) =>
      Schedule.cron(
        `news-${feed}`,
        { expression: "0 0 29 2 *", timeZone: "Asia/Seoul" },
        { pipeline: NewsPipeline, input: () => ({ source: "rss" as const, category: null, feed }) }
      )
    )
  )
  const runtime = ManagedRuntime.make(
    stages.pipe(
      Layer.provide(Worker.layer({ role: "news-worker" })),
      Layer.provide(
        Layer.merge(RedisClient.layerUrl(redisUrl), CoreConfig.layerWith({ shutdownGrace: Duration.millis(100) }))
      ),
      Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None")),
      Layer.fresh
    )
  )
  await runtime.runPromise(Effect.void)
  return { stop: () => runtime.dispose() }
}
