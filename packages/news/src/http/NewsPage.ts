/**
 * NewsPage: the page at /news and its files under /news/assets/. Its content security policy allows nothing from other origins
 * except pictures. `category`, `cursor` and `lang` are in its address; the default language is the one chosen on the main page
 * (a cookie), else the browser's.
 * It has an ETag of its text, so a browser that comes back gets 304 until the news change.
 */
import { ErrorBody, Pages, Prepared } from "@eco2/core/http"
import { Effect, Layer, Result, Schema } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpServerRequest } from "effect/http"
import { fileURLToPath } from "node:url"
import { Article } from "../domain/Article.ts"
import { render } from "../web/document.ts"
import type { View } from "../web/document.ts"
import type { Language } from "../web/texts.ts"
import { reader } from "./NewsHandlers.ts"
import * as NewsQuery from "./NewsQuery.ts"

const folder = fileURLToPath(new URL("../web/", import.meta.url))
/** Cards of a page: fills complete rows of two and three columns. */
const pageLength = "12"

const headers = {
  "content-security-policy": [
    "default-src 'self'",
    "img-src 'self' https: http:",
    "style-src 'self'",
    "script-src 'self'",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; "),
  "cache-control": "no-cache",
  vary: "Accept-Language, Cookie",
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin"
}

const isLanguage = (text: string | null): text is Language => text === "ko" || text === "en"
/** Set by the switch on the main page. */
const languageCookie = "eco2_language"
/** The reader's choice, else the first of our languages that the browser accepts; English for others, Korean if it names none. */
const preferred = ({ cookies, headers }: HttpServerRequest.HttpServerRequest): Language => {
  const chosen = cookies[languageCookie] ?? null
  if (isLanguage(chosen)) return chosen
  const accepted = (headers["accept-language"] ?? "").split(",").map((part) => part.trim().slice(0, 2).toLowerCase())
  // `*` names none
  return accepted.find(isLanguage) ?? (accepted.some((tag) => /^[a-z]/.test(tag)) ? "en" : "ko")
}

const decodeArticle = Schema.decodeUnknownSync(Schema.fromJsonString(Article))

const contentType = "text/html; charset=utf-8"
const statuses = { Articles: 200, Unavailable: 503, BadQuery: 400 } as const

const page = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const read = yield* reader
    const contentOf = (given: URLSearchParams) => {
      const parsed = NewsQuery.parse({
        category: given.get("category") ?? undefined,
        cursor: given.get("cursor") ?? undefined,
        limit: pageLength
      })
      if (Result.isFailure(parsed)) return Effect.succeed<View["content"]>({ _tag: "BadQuery" })
      return read(parsed.success).pipe(
        Effect.map((reading): View["content"] => ({
          _tag: "Articles",
          articles: reading.page.articles.map((text) => decodeArticle(text)),
          next: reading.page.next
        })),
        Effect.catch(() => Effect.succeed<View["content"]>({ _tag: "Unavailable" }))
      )
    }
    yield* router.add(
      "GET",
      "/news",
      ErrorBody.orInternal(
        Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          const given = new URL(request.url, "http://localhost").searchParams
          const lang = given.get("lang")
          const chosen = isLanguage(lang) ? lang : null
          const content = yield* contentOf(given)
          const parsed = NewsQuery.parse({ category: given.get("category") ?? undefined })
          const html = render({
            language: chosen ?? preferred(request),
            chosen,
            list: Result.isSuccess(parsed) ? parsed.success.list : "all",
            isFirst: (given.get("cursor") ?? "") === "",
            content
          })
          const status = statuses[content._tag]
          return status === 200
            ? Prepared.respondOnce(request, { bytes: new TextEncoder().encode(html), contentType, headers })
            : HttpServerResponse.text(html, { status, contentType, headers })
        })
      )
    )
  })
)

/** The files of the folder that browsers may load; the rest builds the page. */
const assets = Pages.files({ folder, prefix: "/news/assets", files: ["news.js", "style.css", "icon.svg"] })

export const layer = Layer.merge(page, assets)
