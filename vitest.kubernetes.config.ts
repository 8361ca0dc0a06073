/**
 * `npm run test:kubernetes`: the chart on the cluster that KUBECONFIG names (test/kubernetes). A part of no other run: it needs a
 * cluster, and installs into it.
 */
import { defineConfig } from "vitest/config"
import { Totals } from "./test/reporter.ts"

export default defineConfig({
  test: {
    name: "kubernetes",
    include: ["test/kubernetes/*.test.ts"],
    reporters: ["verbose", new Totals()],
    pool: "forks",
    testTimeout: 900_000,
    hookTimeout: 300_000
  }
})
