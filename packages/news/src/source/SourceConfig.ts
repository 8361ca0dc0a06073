/**
 * SourceConfig: the settings of the sources: keys, addresses and searches. A source without its key is off.
 */
import { Setting } from "@eco2/core"
import { Config, Option, Redacted } from "effect"
import type { Category } from "../domain/Article.ts"
import type { Query } from "./NewsSource.ts"

/** Redacted before it is checked; an empty value counts as not set. */
const key = (name: string) =>
  Config.Redacted(name).pipe(
    Config.option,
    Config.map((value) => Option.filter(value, (given) => Redacted.value(given).trim() !== "")),
    Config.map(Option.map((given) => Redacted.make(Redacted.value(given).trim(), { label: name })))
  )

/** Search words of one category, separated by `|`. */
const setting = (name: string, fallback: ReadonlyArray<string>) =>
  Setting.parsed<ReadonlyArray<string>>(name, {
    default: fallback,
    allowed: "search words, with | between searches",
    parse: (text) => {
      const searches = text.split("|").flatMap((search) => search.trim() || [])
      return searches.length > 0 && searches.every((search) => search.length <= 100) ? searches : undefined
    }
  })

export const SourceConfig = Config.all({
  naver: Config.all({
    /** NAVER_CLIENT_ID, NAVER_CLIENT_SECRET: the keys of an application at Naver; without both this source is off. */
    clientId: Setting.parsed("NAVER_CLIENT_ID", { default: "", allowed: "a client id", parse: (text) => text }),
    clientSecret: key("NAVER_CLIENT_SECRET"),
    /** NAVER_BASE_URL: default https://openapi.naver.com. */
    baseUrl: Setting.webUrl("NAVER_BASE_URL", { default: "https://openapi.naver.com" })
  }),
  newsdata: Config.all({
    /** NEWSDATA_API_KEY: without it this source is off. */
    apiKey: key("NEWSDATA_API_KEY"),
    /** NEWSDATA_BASE_URL: default https://newsdata.io. */
    baseUrl: Setting.webUrl("NEWSDATA_BASE_URL", { default: "https://newsdata.io" })
  }),
  /** NEWS_FEEDS: URLs of RSS, Atom or JSON feeds, comma list (a comma in a URL is %2C). Default none. */
  feeds: Setting.parsed<ReadonlyArray<string>>("NEWS_FEEDS", {
    default: [],
    allowed: "a comma list of http or https URLs without user and password",
    parse: (text) => {
      const urls = [...new Set(text.split(",").flatMap((url) => url.trim() || []))]
      return urls.every(Setting.isWebUrl) ? urls : undefined
    }
  }),
  /** NEWS_SAMPLE: serves the bundled sample as a feed. Default false; `npm start` without any source turns it on. */
  sample: Setting.flag("NEWS_SAMPLE", { default: false }),
  /** NEWS_QUERY_ENVIRONMENT, NEWS_QUERY_ENERGY, NEWS_QUERY_AI: the searches, with `|` between two. */
  searches: Config.all({
    environment: setting("NEWS_QUERY_ENVIRONMENT", ["환경 분리배출 재활용", "environment recycling waste"]),
    energy: setting("NEWS_QUERY_ENERGY", ["신재생에너지 태양광", "renewable energy climate"]),
    ai: setting("NEWS_QUERY_AI", ["인공지능 환경", "AI sustainability"])
  })
})
export type SourceConfig = Config.Success<typeof SourceConfig>

/** All searches as one source's queries; NewsData gets the English ones only. */
export const queries = (
  source: "naver" | "newsdata",
  searches: Readonly<Record<Category, ReadonlyArray<string>>>
): ReadonlyArray<Query> =>
  (["environment", "energy", "ai"] as const).flatMap((category) =>
    searches[category]
      .filter((text) => source === "naver" || /^[\x20-\x7e]*$/.test(text))
      .map((text) => ({ source, text, category }))
  )
