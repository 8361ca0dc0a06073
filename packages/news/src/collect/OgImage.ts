/**
 * OgImage: finds the picture that a page names (og:image and the like). The pages are strangers', so GuardedFetch fetches them;
 * they are read to the end of the head if it names a picture (PageHead), and never executed (PagePictures).
 *   P3  a look takes at most 3 seconds and 128 KiB, and a failing page affects no other
 *   P4  one process has at most two pages of a publisher open at once, and at most `NEWS_PAGES_AT_ONCE` in all
 *   P5  a picture's address is http or https, public and at most 2083 characters, or the picture is ignored
 * PictureSearch decides which pages are looked at and how long a run waits.
 */
import { Setting } from "@eco2/core"
import { GuardedFetch } from "@eco2/core/net"
import { Clock, Context, Duration, Effect, Layer, Metric, RcMap, Semaphore } from "effect"
import type { Config } from "effect"
import { maxUrlLength } from "../domain/Article.ts"
import * as Charset from "../domain/Charset.ts"
import { newsLooks, newsLookSeconds } from "../Metrics.ts"
import * as PageHead from "./PageHead.ts"
import { picturesIn } from "./PagePictures.ts"

/**
 * How a look at a page ended: found; `none`: the page names no usable picture; `other`: not an HTML page, or not found;
 * `refused`: not a public address; `slow`: timed out; `failed`: no response.
 */
export const outcomes = ["found", "none", "other", "refused", "slow", "failed"] as const
export type Outcome = (typeof outcomes)[number]

export interface Look {
  readonly picture: string | null
  readonly outcome: Outcome
}

const standardTimeout = Duration.seconds(3)
const perHost = 2

/** NEWS_PAGES_AT_ONCE: pages that one process reads at once. Default 40. */
const atOnce = Setting.integer("NEWS_PAGES_AT_ONCE", { default: 40, min: 20, max: 500 })

export class OgImage extends Context.Service<
  OgImage,
  {
    /**
     * Looks at a page once, when its publisher and this process have a place. Never fails; interruption closes the connection. A
     * look takes at most 3 seconds; the caller bounds how many wait.
     */
    readonly look: (url: string) => Effect.Effect<Look>
  }
>()("@eco2/news/collect/OgImage") {}

const isHtml = ({ headers, status }: GuardedFetch.Head) =>
  status >= 200 &&
  status < 300 &&
  /^\s*(?:text\/html|application\/xhtml\+xml)\b/i.test(headers.get("content-type") ?? "")

/** `timeout`: of one look; tests alone use another than 3 seconds. */
export const layerWith = (
  timeout: Duration.Duration
): Layer.Layer<OgImage, Config.ConfigError, GuardedFetch.GuardedFetch> =>
  Layer.effect(
    OgImage,
    Effect.gen(function* () {
      const guarded = yield* GuardedFetch.GuardedFetch
      const places = yield* Semaphore.make(yield* atOnce)
      const presses = yield* RcMap.make({ lookup: (_host: string) => Semaphore.make(perHost) })
      const nothing = (outcome: Outcome): Look => ({ picture: null, outcome })

      const read = (url: string): Effect.Effect<Look> => {
        const page = PageHead.make()
        return guarded
          .get({
            url,
            timeout,
            maxBytes: PageHead.mostLength,
            longer: "cut",
            // tags are ASCII in all charsets but UTF-16, of which all is read
            enough: (piece) => {
              page.write(Buffer.from(piece).toString("latin1"))
              return page.isEnough()
            },
            maxRedirects: 3,
            wanted: isHtml,
            headers: { accept: "text/html,application/xhtml+xml", "accept-language": "ko,en;q=0.8" }
          })
          .pipe(
            Effect.map((response): Look => {
              if (!isHtml(response)) return nothing("other")
              const html = Charset.decode(response.body, response.headers.get("content-type"))
              const picture = picturesIn(html, response.url).find(
                (address) => address.length <= maxUrlLength && guarded.isPublic(address)
              )
              return picture === undefined ? nothing("none") : { picture, outcome: "found" }
            }),
            Effect.catchTags({
              FetchRefused: () => Effect.succeed(nothing("refused")),
              FetchTimeout: () => Effect.succeed(nothing("slow")),
              FetchTooLarge: () => Effect.succeed(nothing("failed")),
              FetchFailed: () => Effect.succeed(nothing("failed"))
            })
          )
      }
      const timed = Effect.fnUntraced(function* (url: string) {
        const begun = yield* Clock.currentTimeMillis
        const seen = yield* read(url)
        yield* Metric.update(newsLookSeconds, ((yield* Clock.currentTimeMillis) - begun) / 1000)
        return seen
      })
      // a page waits for its publisher's turn first and then for a place, so that it blocks no other publisher
      const inTurn = (url: string) =>
        Effect.scoped(
          Effect.flatMap(RcMap.get(presses, URL.parse(url)?.hostname ?? ""), (press) =>
            press.withPermits(1)(places.withPermits(1)(timed(url)))
          )
        )

      return {
        // a host that cannot be public needs no DNS look-up
        look: (url) =>
          Effect.suspend(() => (guarded.isPublic(url) ? inTurn(url) : Effect.succeed(nothing("refused")))).pipe(
            Effect.tap(({ outcome }) => Metric.update(Metric.withAttributes(newsLooks, { outcome }), 1))
          )
      }
    })
  )

export const layer = layerWith(standardTimeout)
