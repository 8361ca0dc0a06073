/**
 * `npm test`: type check, lint, format, then every test, then those under Deno too that vitest.deno.config.ts names. All of
 * them run even when one fails; each tells its duration;
 * the last line is `N passed, N failed`, where a check counts as one and every test as one.
 * Words after `--` go to vitest: `npm test -- test/core`.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../", import.meta.url))
const artifacts = join(root, "test", ".artifacts")
const counted = join(artifacts, `counted-${process.pid}.json`)
const env = {
  ...process.env,
  PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env.PATH ?? ""}`,
  ECO2_TEST_COUNT: counted
}

/** The same words as in package.json's `check` and `lint`, apart so that each has its own verdict. */
const checks = [
  { name: "types", commands: [["tsc", "-p", "."]] },
  {
    name: "lint",
    commands: [
      ["oxlint", "--type-aware", "--deny-warnings"],
      ["knip", "--no-progress", "--no-config-hints"]
    ]
  },
  { name: "format", commands: [["oxfmt", "--check"]] }
]

function run([program, ...words]) {
  const { error, status, signal } = spawnSync(program, words, { cwd: root, stdio: "inherit", env })
  if (error) console.error(`${program}: ${error.message}`)
  if (signal === "SIGINT" || signal === "SIGTERM") process.exit(130)
  return status === 0
}

function timed(name, work) {
  const since = performance.now()
  const good = work()
  return { name, good, seconds: (performance.now() - since) / 1000 }
}

/** What the tests' reporter counted; no count means that vitest itself did not come to its end. */
function testsCounted({ good }) {
  let total = { passed: 0, failed: 0, skipped: 0 }
  try {
    total = JSON.parse(readFileSync(counted, "utf8"))
  } catch {
    total.failed = 1
  }
  rmSync(counted, { force: true })
  return good || total.failed > 0 ? total : { ...total, failed: 1 }
}

mkdirSync(artifacts, { recursive: true })
rmSync(counted, { force: true })
const parts = checks.map(({ name, commands }) => timed(name, () => commands.map(run).every(Boolean)))
const words = process.argv.slice(2)
const tests = timed("tests", () => run(["vitest", "run", ...words]))
const count = testsCounted(tests)
const deno = timed("deno", () => run(["npm", "run", "--silent", "test:deno", "--", "--passWithNoTests", ...words]))
const denoCount = testsCounted(deno)

console.log("")
const both = [
  { ...tests, good: count.failed === 0 },
  { ...deno, good: denoCount.failed === 0 }
]
for (const { name, good, seconds } of [...parts, ...both]) {
  console.log(`${name.padEnd(8)}${good ? "ok    " : "FAILED"}${seconds.toFixed(1).padStart(8)} s`)
}
const skipped = count.skipped + denoCount.skipped
if (skipped > 0) console.log(`${skipped} skipped`)
const passed = count.passed + denoCount.passed + parts.filter(({ good }) => good).length
const failed = count.failed + denoCount.failed + parts.filter(({ good }) => !good).length
const totals = `${passed} passed, ${failed} failed`
writeFileSync(join(artifacts, "totals.txt"), `${totals}\n`)
console.log(totals)
process.exitCode = failed === 0 ? 0 : 1
