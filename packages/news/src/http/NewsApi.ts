/** NewsApi: the news calls as their clients see them; OpenAPI and the docs page are made of this. */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Article } from "../domain/Article.ts"
import { lists } from "../store/ArticlePage.ts"

const failure = (code: number, description: string) =>
  Schema.Struct({ detail: Schema.Unknown, code: Schema.String })
    .pipe(HttpApiSchema.status(code))
    .annotate({ description })

const text = (description: string) => Schema.optionalKey(Schema.String).annotate({ description })

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

/** `redis`, `postgres`: up or down. */
const Health = Schema.Struct({
  status: Schema.String,
  service: Schema.String,
  redis: Schema.String,
  postgres: Schema.String
})

export class NewsGroup extends HttpApiGroup.make("news").add(
  HttpApiEndpoint.get("list", "/api/v1/info/news", {
    query: {
      category: text("all (default), environment, energy or ai"),
      limit: text("Articles of a page, 1 to 50; default 10"),
      cursor: text("next_cursor of the page before; without it the newest"),
      source: text("all (default), naver, newsdata or rss"),
      has_image: text("true: only articles with a picture")
    },
    headers: { "if-none-match": text("ETag of a page you have; 304 if it has not changed") },
    success: [ArticleList, HttpApiSchema.Empty(304).annotate({ description: "Not changed" })],
    error: [
      failure(400, "INVALID_CATEGORY, INVALID_SOURCE, INVALID_CURSOR_FORMAT"),
      failure(422, "VALIDATION_ERROR"),
      failure(503, "UNAVAILABLE")
    ]
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
      description: "Environment, energy and AI news: collected politely, read fast."
    })
  ) {}
