import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"
import type { TestProjectInlineConfiguration } from "vitest/config"
import { isLong } from "./test/harness/Long.ts"
import { LongestFirst } from "./test/Order.ts"
import { Totals } from "./test/reporter.ts"

/**
 * Long by nature, and no short form says as much: idle minutes, an image installed or built, played restores and incidents,
 * failovers and moved slots, roles that are replaced or killed under load, first starts of the embedded database, Deno's starts.
 */
const onlyLong = [
  "test/e2e/idle.test.ts",
  "test/e2e/image.test.ts",
  "test/e2e/containers.test.ts",
  "test/e2e/backup.test.ts",
  "test/e2e/incidents.test.ts",
  "test/e2e/dashboards.test.ts",
  "test/e2e/deno.test.ts",
  "test/e2e/rolling.test.ts",
  "test/e2e/takeover.test.ts",
  "test/e2e/permissions.test.ts",
  "test/browser/FormerFrontEnd.test.ts",
  "test/browser/RunningAnswer.test.ts",
  "test/deploy/LocalPostgres.test.ts",
  "test/core/slots.test.ts",
  "test/fault/Failovers.test.ts"
]
/** Played again in their long form (test/harness/Long.ts) by `npm run test:long`. */
const longForms = [
  "test/actors/image/ImageMetadata.test.ts",
  "test/gateway/http/Described.test.ts",
  "test/news/corpus/Hostile.test.ts",
  "test/core/schedule/Timing.test.ts",
  "test/news/collect/Day.test.ts",
  "test/actors/character/Savers.test.ts",
  "test/core/job/Installations.test.ts",
  "test/core/job/model/JobStateMachine.test.ts",
  "test/e2e/limits.test.ts",
  "test/e2e/start.test.ts",
  "test/browser/Page.test.ts",
  "test/browser/Console.test.ts",
  "test/fault/faults.test.ts",
  "test/fault/schedule.test.ts",
  "test/fault/manySchedules.test.ts"
]
/** These start processes, kill them and drive a browser: after all others, when nobody's clock is judged beside them. */
const wholeSystem = ["test/e2e/**/*.test.ts", "test/browser/**/*.test.ts", "test/fault/**/*.test.ts"]

/** vitest.kubernetes.config.ts runs these. */
const onACluster = "test/kubernetes/**"

/**
 * Played on a Cluster of three masters too: what reads or writes keys of several slots, asks every master, or keeps a
 * connection a partition (jobs, their workers, actors, topics, policies, schedules, operators' lists), and, for each other
 * script, a file that runs it: it fails on a Cluster when its keys are of two slots, whatever the case.
 */
const onCluster = [
  "topic",
  "policy",
  "mailbox",
  "limit",
  "job",
  "worker",
  "actor",
  "pipeline",
  "schedule",
  "operations"
].map((part) => `test/core/${part}/**/*.test.ts`)
/** Of these folders what moves jobs of one partition for long: on a Cluster it is played by `npm run test:long` alone. */
const longOnCluster = [
  "test/core/job/{Admission,History,Scrub}.test.ts",
  "test/core/worker/{Outliving,Stopping,Supervision}.test.ts"
]
/** Of these folders what has nothing to do with slots, or with masters. */
const oneServer = [
  // no Redis
  "test/core/mailbox/Delivery.test.ts",
  "test/core/pipeline/PipelineTypes.test.ts",
  "test/core/policy/MailboxCapacity.test.ts",
  "test/core/schedule/Timing.test.ts",
  "test/core/worker/{ReaderPlan,Retry,Workload}.test.ts",
  // one limit or breaker is one key on one master; Settling, Renewing, Units and LimitList run its scripts on a Cluster
  "test/core/limit/{Permits,Window}.test.ts",
  // the model compares with a look at one partition's keys, by a script of the test's own
  "test/core/job/model/**",
  // starts a Cluster itself
  "test/core/job/Installations.test.ts",
  // in which order two masters answer is nobody's
  "test/core/pipeline/ImageMemory.test.ts"
]

/** All of them, for test/suites.test.ts. */
export const patterns: ReadonlyArray<string> = [
  ...onlyLong,
  ...longForms,
  ...wholeSystem,
  ...onCluster,
  ...longOnCluster,
  ...oneServer
]

/** A test mostly waits (for leases, timers, processes): three files a core keep it busy. */
const workers = Math.min(12, Math.max(4, 3 * availableParallelism()))

const cluster = (
  name: string,
  include: ReadonlyArray<string>,
  exclude: ReadonlyArray<string>,
  maxWorkers = workers
): TestProjectInlineConfiguration => ({
  extends: true,
  test: {
    name,
    include: [...include],
    exclude: [...exclude],
    globalSetup: ["test/clusterSetup.ts"],
    env: { TEST_TOPOLOGY: "cluster" },
    pool: "threads",
    maxWorkers,
    testTimeout: 60_000,
    hookTimeout: 30_000
  }
})

const projects: ReadonlyArray<TestProjectInlineConfiguration> = [
  {
    extends: true,
    test: {
      name: "parts",
      include: ["test/**/*.test.ts"],
      exclude: [...wholeSystem, ...onlyLong, onACluster],
      pool: "threads",
      testTimeout: 60_000,
      hookTimeout: 30_000
    }
  },
  cluster("cluster", onCluster, [...longOnCluster, ...oneServer]),
  {
    extends: true,
    test: {
      name: "system",
      include: wholeSystem,
      exclude: onlyLong,
      pool: "forks",
      // each file starts up to eight processes
      maxWorkers: workers / 2,
      sequence: { groupOrder: 1 },
      testTimeout: 240_000,
      hookTimeout: 240_000
    }
  }
]

const long: TestProjectInlineConfiguration = {
  extends: true,
  test: {
    name: "long",
    include: [...onlyLong, ...longForms],
    pool: "forks",
    maxWorkers: workers / 2,
    testTimeout: 600_000,
    hookTimeout: 600_000
  }
}

export default defineConfig({
  test: {
    globalSetup: ["test/globalSetup.ts"],
    maxWorkers: workers,
    // A worker keeps its modules from file to file: to load them anew is most of a short file's time. So a file leaves nothing
    // behind in modules and globals: no changed environment, no mock; it reads a metric before and after.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    reporters: ["default", new Totals()],
    projects: isLong ? [long, cluster("long cluster", longOnCluster, [], workers / 2)] : [...projects]
  }
})
