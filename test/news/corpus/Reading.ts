/** Reading: reads a document of the corpus as a worker does, without a network. */
import type { GuardedFetch } from "@eco2/core/net"
import { Effect, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import { picturesIn } from "../../../packages/news/src/collect/PagePictures.ts"
import * as Charset from "../../../packages/news/src/domain/Charset.ts"
import { deduplicate } from "../../../packages/news/src/domain/Deduplication.ts"
import * as NaverSource from "../../../packages/news/src/source/NaverSource.ts"
import * as RssSource from "../../../packages/news/src/source/RssSource.ts"
import type { Case } from "./Corpus.ts"

/** When the corpus is read. */
export const now = "2026-11-30T12:00:00.000Z"

const isPublic = (text: string) => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && !/^(?:127|10)\./.test(url.hostname)
}

/** `right`: as expected; `refused`: no article, and a reason is told; else `lost`, with what came of it. */
export const read = ({ bytes, contentType, expected, form, url }: Case) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(Date.parse(now))
    if (form === "page") {
      const found = picturesIn(Charset.decode(bytes, contentType), url).find(isPublic) ?? null
      return found === expected.picture ? "right" : `lost: ${found}`
    }
    const headers = new Headers(contentType === null ? {} : { "content-type": contentType })
    const guarded: GuardedFetch.GuardedFetch["Service"] = {
      isPublic,
      get: () => Effect.succeed({ url, status: 200, headers, body: bytes, cut: false, movedTo: null })
    }
    const settings = { clientId: "id", clientSecret: Redacted.make("secret"), baseUrl: url, queries: [] }
    const source = form === "feed" ? RssSource.make(guarded, [url]) : NaverSource.make(guarded, settings)
    const query = { source: form === "feed" ? ("rss" as const) : ("naver" as const), text: url, category: null }
    const answer = yield* Effect.result(source.find(query))
    if (Result.isFailure(answer)) return expected.refused === true ? "refused" : `refused: ${answer.failure.message}`
    const articles = deduplicate(answer.success.articles)
    const [first] = articles
    if (first === undefined) {
      const causes = Object.keys(answer.success.rejected)
      if (expected.kept === 0) return "right"
      if (causes.length === 0) return "lost: no article, and no reason"
      return expected.refused === true ? "refused" : `refused: ${causes.join(", ")}`
    }
    const wanted = {
      kept: expected.kept ?? 1,
      title: expected.title ?? first.title,
      url: expected.url ?? first.url,
      published: expected.published === "found" ? now : (expected.published ?? first.published_at),
      picture: expected.picture === undefined ? first.thumbnail_url : expected.picture
    }
    const got = {
      kept: articles.length,
      title: first.title,
      url: first.url,
      published: first.published_at,
      picture: first.thumbnail_url
    }
    const isRight = expected.refused !== true && JSON.stringify(got) === JSON.stringify(wanted)
    return isRight ? "right" : `lost: ${JSON.stringify(got)}`
  })
