/**
 * `npm test`: type check, lint, format, every test but those of the long run, then the tests under Deno that
 * vitest.deno.config.ts names. All of them run even when one fails; each tells its duration; the last line is
 * `N passed, N failed`, where a check counts as one and every test as one.
 * Words after `--` go to vitest: `npm test -- test/core`. As `npm run test:long` (`--long`) it runs the long tests alone.
 */
import { spawn } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { constants, setPriority } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

const isLong = process.argv[2] === "--long"
const root = fileURLToPath(new URL("../", import.meta.url))
const artifacts = join(root, "test", ".artifacts")
const counted = join(artifacts, `counted-${process.pid}.json`)
const env = {
  ...process.env,
  PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env.PATH ?? ""}`,
  ECO2_TEST_COUNT: counted,
  NODE_COMPILE_CACHE: join(artifacts, "compile-cache"),
  // read by vitest.config.ts and test/harness/Long.ts
  TEST_LONG: isLong ? "1" : ""
}
const words = process.argv.slice(isLong ? 3 : 2)

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

/** Runs a program to its end; answers whether it was content. `behind`: it yields to others, and its output is kept. */
const run = ([program, ...words], behind = false) =>
  new Promise((resolve) => {
    const child = spawn(program, words, { cwd: root, stdio: behind ? ["ignore", "pipe", "pipe"] : "inherit", env })
    let output = ""
    if (behind) {
      if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW)
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk))
    }
    child.once("error", (error) => {
      console.error(`${program}: ${error.message}`)
      resolve({ good: false, output })
    })
    child.once("close", (code, signal) => {
      if (signal === "SIGINT" || signal === "SIGTERM") process.exit(130)
      resolve({ good: code === 0, output })
    })
  })

async function timed(name, work) {
  const since = performance.now()
  const result = await work()
  return { name, ...result, seconds: (performance.now() - since) / 1000 }
}

/** The checks one after another, in the time that tests spend waiting. */
async function checked() {
  const done = []
  for (const { name, commands } of checks) {
    const check = async () => {
      const results = []
      for (const command of commands) results.push(await run(command, true))
      return { good: results.every(({ good }) => good), output: results.map(({ output }) => output).join("") }
    }
    done.push(await timed(name, check))
  }
  return done
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
// Ctrl-C and SIGTERM are for those we started: they end, and so do we
for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => undefined)
const testing = timed("tests", () => run(["vitest", "run", ...words]))
const [tests, parts] = await Promise.all([testing, isLong ? [] : checked()])
const count = testsCounted(tests)
const runs = [{ ...tests, count }]
if (!isLong) {
  const deno = await timed("deno", () =>
    run(["npm", "run", "--silent", "test:deno", "--", "--passWithNoTests", ...words])
  )
  runs.push({ ...deno, count: testsCounted(deno) })
}

for (const { name, output } of parts) if (output !== "") console.log(`\n${name}\n${output.trimEnd()}`)
console.log("")
const sum = (kind) => runs.reduce((total, run) => total + run.count[kind], 0)
for (const { name, good, seconds } of [...parts, ...runs.map((run) => ({ ...run, good: run.count.failed === 0 }))]) {
  console.log(`${name.padEnd(8)}${good ? "ok    " : "FAILED"}${seconds.toFixed(1).padStart(8)} s`)
}
if (sum("skipped") > 0) console.log(`${sum("skipped")} skipped`)
const passed = sum("passed") + parts.filter(({ good }) => good).length
const failed = sum("failed") + parts.filter(({ good }) => !good).length
const totals = `${passed} passed, ${failed} failed`
writeFileSync(join(artifacts, isLong ? "totals-long.txt" : "totals.txt"), `${totals}\n`)
console.log(totals)
process.exitCode = failed === 0 ? 0 : 1
