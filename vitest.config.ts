import { defineConfig } from "vitest/config"
import { Totals } from "./test/reporter.ts"

/** These start processes, kill them and drive a browser: one file at a time, after all others. */
const wholeSystem = ["test/e2e/**/*.test.ts", "test/browser/**/*.test.ts", "test/fault/**/*.test.ts"]

/** What stands on Redis's keys and clocks is played on a Cluster of three masters too. */
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

export default defineConfig({
  test: {
    globalSetup: ["test/globalSetup.ts"],
    maxWorkers: 2,
    reporters: ["default", new Totals()],
    projects: [
      {
        extends: true,
        test: {
          name: "parts",
          include: ["test/**/*.test.ts"],
          exclude: wholeSystem,
          pool: "threads",
          testTimeout: 30_000,
          hookTimeout: 30_000
        }
      },
      {
        extends: true,
        test: {
          name: "cluster",
          include: onCluster,
          // in which order two masters answer is nobody's
          exclude: ["test/core/pipeline/ImageMemory.test.ts"],
          env: { TEST_TOPOLOGY: "cluster" },
          pool: "threads",
          testTimeout: 30_000,
          hookTimeout: 30_000
        }
      },
      {
        extends: true,
        test: {
          name: "system",
          include: wholeSystem,
          pool: "forks",
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 120_000
        }
      }
    ]
  }
})
