/** Pictures of a run's articles: what a run waits for, what comes later, and what is not looked at again (P1, P2). */
import { expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as PictureSearch from "../../../packages/news/src/collect/PictureSearch.ts"
import { privateRedis, until } from "../../core/CoreFixture.ts"
import { onServer } from "../../core/postgres/PostgresFixture.ts"
import { FakeNews } from "../../harness/FakeNews.ts"
import { article } from "../NewsFixture.ts"
import * as NewsWorker from "./NewsWorker.ts"

const redis = privateRedis()
let world: FakeNews
beforeAll(async () => {
  world = await FakeNews.start()
  world.isSlow = false
})
afterAll(() => world.close())

const energy = { source: "newsdata", category: "energy" } as const
/** The pages that NewsData's search for energy finds. */
const energyPages = () => world.pages.filter(({ index }) => index >= 80 && index % 3 === 1)

onServer("a run's search for pictures", (database) => {
  const worker = (given: { readonly looks: Duration.Duration }) =>
    NewsWorker.make({ world, redis: redis.url, database: database(), ...given })
  const { quietly } = NewsWorker
  /** Visits of each page of NewsData's search for energy, by its path. */
  const visits = () => {
    const counts = new Map<string, number>()
    for (const path of world.visits.splice(0)) counts.set(path, (counts.get(path) ?? 0) + 1)
    return energyPages().map(({ kind, url }) => [kind, counts.get(new URL(url).pathname) ?? 0] as const)
  }

  it.live(
    "P1 a run goes on without a slow page: its article is stored and shown, and its picture added when the page answers",
    () =>
      quietly(
        Effect.gen(function* () {
          const news = yield* worker({ looks: Duration.minutes(1) })
          const [slow] = energyPages()
          world.held.add(slow!.index)
          const run = yield* news.run(energy)
          const here = news.page.pipe(
            Effect.map(({ page }) => page.articles.map((text) => JSON.parse(text)).find(({ url }) => url === slow!.url))
          )
          expect([run.state, run.result.unique - run.result.with_images]).toEqual([
            "done",
            1 + energyPages().filter(({ picture }) => picture === null).length
          ])
          expect((yield* here).thumbnail_url).toBe(null)
          const before = run.result.unique
          world.release(slow!.index)
          expect((yield* until(here, (article) => article.thumbnail_url !== null)).thumbnail_url).toBe(slow!.picture)
          expect((yield* news.page).total).toBe(before)
        })
      ),
    60_000
  )

  it.live(
    "P2 a page with a picture, or without any, is not looked at again, and a slow one three times a day",
    () =>
      quietly(
        Effect.gen(function* () {
          const first = yield* worker({ looks: Duration.millis(500) })
          const other = yield* worker({ looks: Duration.millis(500) })
          world.visits.splice(0)
          const { result } = yield* first.run(energy)
          expect(visits()).toEqual(energyPages().map(({ kind }) => [kind, 1]))
          expect(energyPages().map(({ kind }) => kind)).toEqual(
            expect.arrayContaining(["picture", "no tag", "silent", "inside"])
          )
          for (const looked of [1, 1, 0, 0]) {
            const again = yield* other.run(energy)
            expect(again.result).toMatchObject({ saved: 0, with_images: result.with_images, unique: result.unique })
            expect(visits()).toEqual(energyPages().map(({ kind }) => [kind, kind === "silent" ? looked : 0]))
          }
        })
      ),
    60_000
  )

  it.live(
    "P1 a process that ends before a slow page answers loses that picture only, and the next run finds it",
    () =>
      quietly(
        Effect.gen(function* () {
          const [slow] = energyPages()
          world.held.add(slow!.index)
          const { result } = yield* Effect.scoped(
            Effect.flatMap(worker({ looks: Duration.minutes(1) }), (news) => news.run(energy))
          )
          yield* until(
            Effect.sync(() => world.open),
            (open) => open === 0
          )
          world.release(slow!.index)
          const news = yield* worker({ looks: Duration.millis(500) })
          expect((yield* news.run(energy)).result).toMatchObject({ saved: 0, with_images: result.with_images + 1 })
        })
      ),
    60_000
  )

  it.live(
    "looks that outlast their run are limited: those of a run beyond the limit end with it",
    () =>
      quietly(
        Effect.gen(function* () {
          const { articles, services } = yield* worker({ looks: Duration.minutes(1) })
          const [first, second] = energyPages()
          world.held.add(first!.index).add(second!.index)
          const search = (page: typeof first) =>
            PictureSearch.PictureSearch.use((pictures) =>
              pictures.complete([article(page!.index, { url: page!.url, thumbnail_url: null })])
            )
          const open = Effect.sync(() => world.open)
          yield* Effect.gen(function* () {
            expect(yield* search(first)).toMatchObject([{ thumbnail_url: null }])
            expect(world.open).toBe(1)
            expect(yield* search(second)).toMatchObject([{ thumbnail_url: null }])
            yield* until(open, (pages) => pages === 1)
            // there is room again when earlier looks have ended
            world.release(first!.index)
            yield* until(open, (pages) => pages === 0)
            yield* search(second)
            world.release(second!.index)
            yield* until(articles.pictures([second!.url]), ({ size }) => size === 1)
          }).pipe(Effect.provide(PictureSearch.layerWith({ mostLate: 1 }).pipe(Layer.provide(services))), Effect.orDie)
        })
      ),
    60_000
  )

  it.live("looks end with their run when it is interrupted", () =>
    quietly(
      Effect.gen(function* () {
        const { services } = yield* worker({ looks: Duration.minutes(1) })
        const [page] = energyPages()
        world.held.add(page!.index)
        const open = Effect.sync(() => world.open)
        const search = PictureSearch.PictureSearch.use((pictures) =>
          pictures.complete([article(1, { url: page!.url, thumbnail_url: null })])
        )
        yield* Effect.gen(function* () {
          const run = yield* Effect.forkChild(search)
          yield* until(open, (pages) => pages === 1)
          yield* Fiber.interrupt(run)
          yield* until(open, (pages) => pages === 0)
        }).pipe(Effect.provide(PictureSearch.layer.pipe(Layer.provide(services))))
        world.release(page!.index)
      })
    )
  )
})
