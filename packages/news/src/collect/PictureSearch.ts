/**
 * PictureSearch: finds pictures for a run's articles without letting a slow page delay the run.
 *   P1  a run waits two seconds for its pages and takes the pictures found by then. Looks still open continue in this process
 *       and send what they find to ArticleActor. If the process dies meanwhile, only pictures are lost, and the next run
 *       looks again
 *   P2  a page is not looked at again needlessly: a stored picture is taken from the store, and LookMemory knows which pages
 *       have none
 * Late looks are bounded: 400 pages, 30 seconds. Beyond that, the next run looks again.
 */
import { Mailbox } from "@eco2/core"
import type { PostgresError } from "@eco2/core/postgres"
import { Context, Duration, Effect, Fiber, Layer, Metric } from "effect"
import type { Article } from "../domain/Article.ts"
import { newsLatePictures, newsLooks } from "../Metrics.ts"
import { ArticleStore } from "../store/ArticleStore.ts"
import { ArticleActor } from "./ArticleActor.ts"
import { isSpent, LookMemory } from "./LookMemory.ts"
import { OgImage } from "./OgImage.ts"

export class PictureSearch extends Context.Service<
  PictureSearch,
  {
    /**
     * The same articles in their order, with the pictures that are known or found within two seconds. An interruption before that
     * ends the looks; later they continue in the background. PostgresError: no page was looked at.
     */
    readonly complete: (
      articles: ReadonlyArray<Article>
    ) => Effect.Effect<ReadonlyArray<Article>, PostgresError.PostgresError>
  }
>()("@eco2/news/collect/PictureSearch") {}

const budget = Duration.seconds(2)
const limits = { mostLate: 400, latest: Duration.seconds(30) }

const counted = (outcome: "stored" | "remembered" | "dropped", pages: number) =>
  pages === 0 ? Effect.void : Metric.update(Metric.withAttributes(newsLooks, { outcome }), pages)

/** `mostLate`: the maximum of late looks; `latest`: how long they may take. Tests alone use others than 400 and 30 seconds. */
export const layerWith = ({
  latest = limits.latest,
  mostLate = limits.mostLate
}: Partial<typeof limits>): Layer.Layer<PictureSearch, never, ArticleStore | LookMemory | OgImage | Mailbox.Mailbox> =>
  Layer.effect(
    PictureSearch,
    Effect.gen(function* () {
      const store = yield* ArticleStore
      const memory = yield* LookMemory
      const pages = yield* OgImage
      const mailbox = yield* Mailbox.Mailbox
      const scope = yield* Effect.scope
      /** Open looks whose runs have continued. */
      let late = 0

      const tell = (article: Article) =>
        ArticleActor.tell(article.id, "AddPicture", article).pipe(
          Effect.provideService(Mailbox.Mailbox, mailbox),
          Effect.andThen(Metric.update(newsLatePictures, 1)),
          // the store lacks the picture, so the next run that finds the article looks again
          Effect.catch((error) =>
            Effect.logWarning("a late picture could not be sent").pipe(
              Effect.annotateLogs({ article: article.id, error: error.message })
            )
          )
        )

      return PictureSearch.of({
        complete: Effect.fn("PictureSearch.complete")(function* (articles) {
          const bare = articles.filter(({ thumbnail_url }) => thumbnail_url === null)
          const found = new Map(yield* store.pictures(bare.map(({ url }) => url)))
          const unknown = bare.filter(({ url }) => !found.has(url))
          const before = yield* memory.recall(unknown.map(({ url }) => url))
          const wanted = unknown.filter(({ url }) => {
            const last = before.get(url)
            return last === undefined || !isSpent(last)
          })
          yield* counted("stored", bare.length - unknown.length)
          yield* counted("remembered", unknown.length - wanted.length)

          let isOver = false
          let open = wanted.length
          const look = (article: Article) =>
            Effect.gen(function* () {
              const { outcome, picture } = yield* pages.look(article.url)
              if (picture !== null) {
                if (!isOver) found.set(article.url, picture)
                else yield* tell({ ...article, thumbnail_url: picture })
                return
              }
              yield* memory.remember(article.url, { outcome, looks: (before.get(article.url)?.looks ?? 0) + 1 })
            }).pipe(
              Effect.ensuring(
                Effect.sync(() => {
                  open--
                  if (isOver) late--
                })
              )
            )
          const looking = yield* Effect.forkIn(
            Effect.forEach(wanted, look, { concurrency: "unbounded", discard: true }).pipe(
              Effect.timeoutOption(Duration.sum(budget, latest))
            ),
            scope
          )
          yield* Fiber.join(looking).pipe(
            Effect.timeoutOption(budget),
            Effect.onInterrupt(() => Fiber.interrupt(looking))
          )
          // synchronous from here to the end of reading `found`
          isOver = true
          late += open
          const completed = articles.map((article) => ({
            ...article,
            thumbnail_url: article.thumbnail_url ?? found.get(article.url) ?? null
          }))
          if (late > mostLate) {
            yield* counted("dropped", open)
            yield* Fiber.interrupt(looking)
          }
          return completed
        })
      })
    })
  )

export const layer = layerWith({})
