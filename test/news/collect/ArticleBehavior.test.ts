/** Pictures found after their article's run, in any order. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll } from "vitest"
import { ArticleActor } from "../../../packages/news/src/collect/ArticleActor.ts"
import type { Article } from "../../../packages/news/src/domain/Article.ts"
import { depthOf, privateRedis, until } from "../../core/CoreFixture.ts"
import { onServer } from "../../core/postgres/PostgresFixture.ts"
import { FakeNews } from "../../harness/FakeNews.ts"
import { article } from "../NewsFixture.ts"
import * as NewsWorker from "./NewsWorker.ts"

const redis = privateRedis()
let world: FakeNews
beforeAll(async () => {
  world = await FakeNews.start()
})
afterAll(() => world.close())

onServer("a picture found late", (database) => {
  const bare = (n: number) => article(n, { thumbnail_url: null })
  const pictured = (n: number, picture: string) =>
    article(n, { thumbnail_url: `https://pictures.example/${picture}.jpg` })

  it.live("a late picture may come before or after its article, twice, or be bad; its article keeps the first", () =>
    Effect.gen(function* () {
      const { articles, page, services } = yield* NewsWorker.make({ world, redis: redis.url, database: database() })
      const tell = (told: Article) =>
        Effect.provide(ArticleActor.tell(told.id, "AddPicture", told), services).pipe(Effect.orDie)
      const handled = until(Effect.provide(depthOf("news.articles"), services), (depth) => depth === 0)
      yield* articles.save([bare(1)])
      yield* tell(pictured(1, "one"))
      yield* tell(pictured(2, "two"))
      yield* tell({ ...pictured(3, "three"), title: "nul \u0000" })
      yield* handled
      yield* articles.save([bare(1), bare(2)])
      yield* tell(pictured(1, "one"))
      yield* tell(pictured(2, "another"))
      yield* handled
      const shown = (yield* page).page.articles.map((text): Article => JSON.parse(text))
      expect(shown.map(({ id, thumbnail_url }) => [id, thumbnail_url])).toEqual([
        [article(1).id, "https://pictures.example/one.jpg"],
        [article(2).id, "https://pictures.example/two.jpg"]
      ])
    }).pipe(NewsWorker.quietly)
  )
})
