/**
 * Totals: prints the last line of a run, `12 passed, 2 failed, 1 skipped`, and writes the same as JSON to the file at
 * ECO2_TEST_COUNT (scripts/test.mjs reads it). A failure outside a test counts as one: a file that does not load, a hook, an
 * uncaught error. The JSON also names what failed, and says where and why in a line, and which files may run again for it.
 */
import { writeFileSync } from "node:fs"
import { stripVTControlCharacters } from "node:util"
import type { Reporter, SerializedError, TestModule } from "vitest/node"

const mostOfReason = 400

/** The error's first words and the lines of the test that it came through. */
function reasonOf({ errors }: { readonly errors?: ReadonlyArray<SerializedError> | undefined }) {
  const [error] = errors ?? []
  if (error === undefined) return "it did not end"
  const lines = (error.stacks ?? []).flatMap(({ file, line }) => (file.includes("/test/") ? [line] : []))
  const message = stripVTControlCharacters(error.message).replaceAll(/\s+/g, " ")
  return `${message.slice(0, mostOfReason)}${lines.length > 0 ? ` (line ${lines.slice(0, 4).join(", ")})` : ""}`
}

export class Totals implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<SerializedError>) {
    const count = { passed: 0, failed: 0, skipped: 0 }
    const failures: Array<string> = []
    const files = new Set<string>()
    const fail = (what: string) => {
      count.failed += 1
      failures.push(what)
    }
    for (const error of unhandled) fail(`outside a test: ${error.message}`)
    for (const module of modules) {
      const before = failures.length
      if (module.errors().length > 0) fail(module.relativeModuleId)
      for (const suite of module.children.allSuites()) {
        if (suite.errors().length > 0) fail(`${module.relativeModuleId} > ${suite.fullName}`)
      }
      for (const test of module.children.allTests()) {
        const result = test.result()
        // a test that did not finish has not passed
        if (result.state === "pending" || result.state === "failed")
          fail(`${module.relativeModuleId} > ${test.fullName}: ${reasonOf(result)}`)
        else count[result.state] += 1
      }
      if (failures.length > before) files.add(module.relativeModuleId)
    }
    const file = process.env.ECO2_TEST_COUNT
    // an error outside a test may be any file's: no file that runs again could show that it is over
    const again = unhandled.length > 0 ? [] : [...files]
    if (file) writeFileSync(file, JSON.stringify({ ...count, failures, files: again }))
    console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
  }
}
