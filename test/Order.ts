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
  "test/e2e/start.test.ts": 91,
  "test/e2e/image.test.ts": 84,
  "test/browser/Page.test.ts": 83,
  "test/core/slots.test.ts": 71,
  "test/e2e/backup.test.ts": 62,
  "test/e2e/takeover.test.ts": 59,
  "test/core/job/Scrub.test.ts": 55,
  "test/browser/Console.test.ts": 55,
  "test/news/corpus/Hostile.test.ts": 48,
  "test/e2e/deno.test.ts": 45,
  "test/browser/RunningAnswer.test.ts": 44,
  "test/fault/Failovers.test.ts": 43,
  "test/core/redis/SaidOnce.test.ts": 39,
  "test/e2e/nginx.test.ts": 38,
  "test/gateway/http/Described.test.ts": 36,
  "test/deploy/LocalPostgres.test.ts": 35,
  "test/deploy/cli/DoctorStores.test.ts": 34,
  "test/e2e/rolling.test.ts": 33,
  "test/e2e/news.test.ts": 33,
  "test/core/job/model/JobStateMachine.test.ts": 33,
  "test/core/worker/Outliving.test.ts": 31,
  "test/core/worker/Supervision.test.ts": 29,
  "test/e2e/commandLine.test.ts": 26,
  "test/core/redis/Refusals.test.ts": 26,
  "test/core/idle.test.ts": 26,
  "test/e2e/characters.test.ts": 25,
  "test/fault/faults.test.ts": 24,
  "test/e2e/openai.test.ts": 24,
  "test/core/postgres/Postgres.test.ts": 24,
  "test/gateway/events/LostJobs.test.ts": 22,
  "test/browser/News.test.ts": 22,
  "test/core/worker/Alone.test.ts": 21,
  "test/core/worker/Running.test.ts": 20,
  "test/core/job/Replicated.test.ts": 20,
  "test/news/collect/Day.test.ts": 19,
  "test/news/collect/OneFeed.test.ts": 18,
  "test/e2e/limits.test.ts": 18,
  "test/core/worker/Heartbeat.test.ts": 18,
  "test/core/redis/RedisSettings.test.ts": 18,
  "test/actors/character/Savers.test.ts": 18,
  "test/gateway/http/Routes.test.ts": 17,
  "test/core/limit/Window.test.ts": 17,
  "test/news/collect/PictureSearch.test.ts": 16,
  "test/gateway/http/Refusals.test.ts": 16,
  "test/news/store/ArticleStore.test.ts": 15,
  "test/fault/manySchedules.test.ts": 15,
  "test/chart/rendered.test.ts": 15,
  "test/news/store/ArticleReading.test.ts": 14,
  "test/e2e/permissions.test.ts": 14,
  "test/actors/model/GuardedModels.test.ts": 14,
  "test/news/http/NewsApi.test.ts": 13,
  "test/fault/schedule.test.ts": 13,
  "test/e2e/viewers.test.ts": 13,
  "test/deploy/cli/Commands.test.ts": 13,
  "test/actors/image/ImageMetadata.test.ts": 13,
  "test/news/collect/OgImage.test.ts": 12,
  "test/news/collect/Collection.test.ts": 12,
  "test/gateway/http/ServedModels.test.ts": 12,
  "test/gateway/auth/Revocation.test.ts": 12,
  "test/e2e/metrics.test.ts": 12,
  "test/e2e/keys.test.ts": 12,
  "test/core/redis/RedisHealth.test.ts": 12,
  "test/core/postgres/Migrations.test.ts": 12,
  "test/core/cluster.test.ts": 12,
  "test/deploy/cli/DoctorStream.test.ts": 11,
  "test/chart/refused.test.ts": 11,
  "test/chart/metrics.test.ts": 11,
  "test/actors/scan/Reward.test.ts": 11,
  "test/actors/character/CharacterMatch.test.ts": 11,
  "test/core/worker/ClockStep.test.ts": 10,
  "test/core/pipeline/Fairness.test.ts": 10,
  "test/core/limit/Permits.test.ts": 10,
  "test/core/job/RecentSubmits.test.ts": 10,
  "test/core/entryPoints.test.ts": 10
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
