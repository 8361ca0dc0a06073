/**
 * `npm run test:deno`: the tests that are run under Deno as well as Node: what differs between the two is I/O, timers,
 * signals and the HTTP client, so the parts that stand on these are here, and of the rest a share. Workers are processes:
 * Deno's worker threads lack what vitest ends its own with. Files share a worker's modules: a file alone takes two seconds
 * to load them.
 */
import { defineConfig } from "vitest/config"
import { Totals } from "./test/reporter.ts"

export default defineConfig({
  test: {
    name: "deno",
    globalSetup: ["test/globalSetup.ts"],
    include: [
      "test/core/{clock,config,job,mailbox,net,redis,server,topic}/*.test.ts",
      "test/core/pipeline/{Keeping,Settling}.test.ts",
      "test/core/worker/{Delivering,Lease,Reader,ReaderPlan,Stopping}.test.ts",
      "test/actors/{domain,image,model,rule,scan}/*.test.ts",
      "test/gateway/auth/Tokens.test.ts",
      "test/gateway/events/*.test.ts",
      "test/gateway/http/{RequestBody,ScanHandlers,ScanSubmission,Readyz}.test.ts",
      "test/news/{domain,source}/*.test.ts",
      "test/news/http/NewsApi.test.ts"
    ],
    // its program is spawned by `process.execPath`; such a child ends by SIGTERM itself under Deno, not with code 0
    exclude: ["test/actors/model/FakeModelServer.test.ts"],
    reporters: ["default", new Totals()],
    maxWorkers: 2,
    pool: "forks",
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
})
