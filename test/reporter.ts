/**
 * Totals: prints the last line of a run, `12 passed, 2 failed, 1 skipped`, and writes the same as JSON to the file at
 * ECO2_TEST_COUNT (scripts/test.mjs reads it). A failure outside a test counts as one: a file that does not load, a hook, an
 * uncaught error.
 */
import { writeFileSync } from "node:fs"
import type { Reporter, SerializedError, TestModule } from "vitest/node"

export class Totals implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<SerializedError>) {
    const count = { passed: 0, failed: unhandled.length, skipped: 0 }
    for (const module of modules) {
      if (module.errors().length > 0) count.failed += 1
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) count.failed += 1
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        // a test that did not finish has not passed
        count[state === "pending" ? "failed" : state] += 1
      }
    }
    const file = process.env.ECO2_TEST_COUNT
    if (file) writeFileSync(file, JSON.stringify(count))
    console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
  }
}
