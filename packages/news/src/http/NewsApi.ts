/** NewsApi: the news calls as clients see them; the source of OpenAPI and the docs page. */
import { Refusal } from "@eco2/core/http"
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Article } from "../domain/Article.ts"
import { lists } from "../store/ArticlePage.ts"
import * as NewsQuery from "./NewsQuery.ts"

const text = (description: string) => Schema.optionalKey(Schema.String).annotate({ description })

const one = <const Names extends ReadonlyArray<string>>(names: Names, description: string) =>
  Schema.optionalKey(Schema.Literals(names)).annotate({ description })

const ArticleList = Schema.Struct({
  articles: Schema.Array(Article),
  next_cursor: Schema.NullOr(Schema.String),
  has_more: Schema.Boolean,
  meta: Schema.Struct({
    total_cached: Schema.Int.annotate({ description: "Articles of the category in the cache" }),
    cache_expires_in: Schema.Int.annotate({ description: "Seconds; 0 from Postgres" }),
    source: Schema.Literals(["redis", "postgres"])
  })
})

const names: Readonly<Record<(typeof lists)[number], string>> = {
  all: "전체",
  environment: "환경",
  energy: "에너지",
  ai: "AI"
}
export const categories = { categories: lists.map((id) => ({ id, name: names[id] })) }
const Categories = Schema.Struct({
  categories: Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String }))
})

const Store = Schema.Literals(["up", "down"])
const Health = Schema.Struct({
  status: Schema.Literals(["healthy", "unhealthy"]),
  service: Schema.Literal("news-api"),
  redis: Store,
  postgres: Store
})

export class NewsGroup extends HttpApiGroup.make("news").add(
  HttpApiEndpoint.get("list", "/api/v1/info/news", {
    query: {
      category: one(lists, "By default all"),
      limit: text("Articles of a page, 1 to 50; default 10"),
      cursor: text("next_cursor of the page before; without it the newest"),
      source: one(NewsQuery.allSources, "By default all"),
      has_image: text("true, 1, yes or on: only articles with a picture; false, 0, no or off: all")
    },
    headers: { "if-none-match": text("ETag of a page you have; 304 if it has not changed") },
    success: [
      HttpApiSchema.WithHeaders(ArticleList, { etag: Schema.String, "cache-control": Schema.String }),
      HttpApiSchema.Empty(304).annotate({ description: "Not changed" })
    ],
    error: [...NewsQuery.refusals, Refusal.declared(503, "UNAVAILABLE"), Refusal.declared(500, "INTERNAL")]
  }).annotate(OpenApi.Summary, "News, newest first, page by page"),
  HttpApiEndpoint.get("categories", "/api/v1/info/news/categories", { success: Categories }).annotate(
    OpenApi.Summary,
    "The categories, by their Korean names"
  ),
  HttpApiEndpoint.get("health", "/api/v1/info/health", {
    success: Health,
    error: Health.pipe(HttpApiSchema.status(503)).annotate({ description: "Neither Redis nor Postgres answers" })
  }).annotate(OpenApi.Summary, "Which stores answer")
) {}

export class NewsApi extends HttpApi.make("eco2-news")
  .add(NewsGroup)
  .annotateMerge(
    OpenApi.annotations({
      title: "Eco² news",
      version: "0.1.0",
      description: "News on environment, energy and AI."
    })
  ) {}
