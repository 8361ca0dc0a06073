/**
 * Order: the order in which test files start. A long file that starts last delays the end of the run, so the longest start first,
 * project by project, because a worker of one project is reused for its next file and not for another project's.
 * The duration of a file is known from the run before; on a clean clone, which has none, from `seconds`.
 */
import { relative } from "node:path"
import { BaseSequencer } from "vitest/node"
import type { TestSpecification } from "vitest/node"

/** Files of ten seconds and more, measured on two cores. A file that is missing here starts after these. */
export const seconds: Readonly<Record<string, number>> = {
  "test/e2e/start.test.ts": 97,
  "test/browser/Page.test.ts": 57,
  "test/e2e/image.test.ts": 47,
  "test/deploy/LocalPostgres.test.ts": 47,
  "test/e2e/takeover.test.ts": 44,
  "test/browser/News.test.ts": 42,
  "test/core/limit/Window.test.ts": 28,
  "test/e2e/openai.test.ts": 28,
  "test/e2e/nginx.test.ts": 27,
  "test/core/schedule/Schedule.test.ts": 26,
  "test/core/idle.test.ts": 25,
  "test/e2e/rolling.test.ts": 24,
  "test/core/postgres/Postgres.test.ts": 23,
  "test/core/postgres/Migrations.test.ts": 21,
  "test/news/store/ArticleStore.test.ts": 20,
  "test/e2e/news.test.ts": 20,
  "test/core/worker/Supervision.test.ts": 18,
  "test/core/redis/SaidOnce.test.ts": 18,
  "test/actors/character/UserCharacters.test.ts": 16,
  "test/news/collect/PictureSearch.test.ts": 15,
  "test/core/cluster.test.ts": 14,
  "test/chart/valid.test.ts": 13,
  "test/deploy/cli/DoctorStores.test.ts": 13,
  "test/core/limit/Permits.test.ts": 12,
  "test/core/redis/RedisHealth.test.ts": 12,
  "test/deploy/bootstrap.test.ts": 12,
  "test/news/collect/OgImage.test.ts": 12
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const sorted = await super.sort(files)
    const place = new Map(sorted.map(({ project }, i) => [project.name, i]))
    const millis = (file: TestSpecification) =>
      this.ctx.cache.getTestSpecificationResult(file)?.duration ??
      1_000 * (seconds[relative(this.ctx.config.root, file.moduleId)] ?? 0)
    return sorted.toSorted(
      (a, b) => (place.get(a.project.name) ?? 0) - (place.get(b.project.name) ?? 0) || millis(b) - millis(a)
    )
  }
}
