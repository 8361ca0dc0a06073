/**
 * Totals: prints the last line of a run, `12 passed, 2 failed, 1 skipped`, and writes the same as JSON to the file at
 * ECO2_TEST_COUNT (scripts/test.mjs reads it). A failure outside a test counts as one: a file that does not load, a hook, an
 * uncaught error. The JSON also names what failed.
 */
import { writeFileSync } from "node:fs"
import type { Reporter, SerializedError, TestModule } from "vitest/node"

export class Totals implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<SerializedError>) {
    const count = { passed: 0, failed: 0, skipped: 0 }
    const failures: Array<string> = []
    const fail = (what: string) => {
      count.failed += 1
      failures.push(what)
    }
    for (const error of unhandled) fail(`outside a test: ${error.message}`)
    for (const module of modules) {
      if (module.errors().length > 0) fail(module.relativeModuleId)
      for (const suite of module.children.allSuites()) {
        if (suite.errors().length > 0) fail(`${module.relativeModuleId} > ${suite.fullName}`)
      }
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        // a test that did not finish has not passed
        if (state === "pending" || state === "failed") fail(`${module.relativeModuleId} > ${test.fullName}`)
        else count[state] += 1
      }
    }
    const file = process.env.ECO2_TEST_COUNT
    if (file) writeFileSync(file, JSON.stringify({ ...count, failures }))
    console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
  }
}
