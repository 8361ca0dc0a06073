/**
 * NewsSources: the configured sources. Sources that are off are logged once, with the setting that turns them on.
 */
import { GuardedFetch } from "@eco2/core/net"
import { Context, Effect, Layer, Metric, Option } from "effect"
import type { Config } from "effect"
import { sources } from "../domain/Article.ts"
import type { Source } from "../domain/Article.ts"
import { newsSourceOff } from "../Metrics.ts"
import * as NaverSource from "./NaverSource.ts"
import * as NewsDataSource from "./NewsDataSource.ts"
import type { NewsSource } from "./NewsSource.ts"
import * as RssSource from "./RssSource.ts"
import { queries, SourceConfig } from "./SourceConfig.ts"

export class NewsSources extends Context.Service<
  NewsSources,
  {
    /** The sources that can be queried, by name. */
    readonly on: ReadonlyMap<Source, NewsSource>
    /** The others, and the setting each one lacks. */
    readonly off: ReadonlyMap<Source, string>
  }
>()("@eco2/news/source/NewsSources") {}

/** The sources of SourceConfig. Sends nothing. */
export const layer: Layer.Layer<NewsSources, Config.ConfigError, GuardedFetch.GuardedFetch> = Layer.effect(
  NewsSources,
  Effect.gen(function* () {
    const { feeds, naver, newsdata, sample, searches } = yield* SourceConfig
    const guarded = yield* GuardedFetch.GuardedFetch
    const on = new Map<Source, NewsSource>()
    const off = new Map<Source, string>()

    const { clientId, clientSecret } = naver
    if (clientId !== "" && Option.isSome(clientSecret)) {
      const settings = { ...naver, clientSecret: clientSecret.value, queries: queries("naver", searches) }
      on.set("naver", NaverSource.make(guarded, settings))
    } else off.set("naver", clientId === "" ? "NAVER_CLIENT_ID" : "NAVER_CLIENT_SECRET")

    if (Option.isSome(newsdata.apiKey)) {
      const settings = { ...newsdata, apiKey: newsdata.apiKey.value, queries: queries("newsdata", searches) }
      on.set("newsdata", NewsDataSource.make(guarded, settings))
    } else off.set("newsdata", "NEWSDATA_API_KEY")

    const all = [...feeds, ...(sample ? [RssSource.sampleFeed] : [])]
    if (all.length > 0) on.set("rss", RssSource.make(guarded, all))
    else off.set("rss", "NEWS_FEEDS")

    for (const source of sources) {
      yield* Metric.update(Metric.withAttributes(newsSourceOff, { source }), off.has(source) ? 1 : 0)
    }
    for (const [source, setting] of off) {
      yield* Effect.logInfo("news source is off").pipe(Effect.annotateLogs({ source, setting }))
    }
    return { on, off }
  })
)
