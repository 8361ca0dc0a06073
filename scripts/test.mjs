/**
 * `npm test`: type check, lint, format, then all tests except the long ones. All of them run even if one fails; each reports
 * its duration, and what failed is named once more at the end; the last line is `N passed, N failed`, where a check counts as
 * one and every test as one.
 * Arguments after `--` go to vitest: `npm test -- test/core`. As `npm run test:long` (`--long`) it runs the long tests alone,
 * and those under Deno.
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

/** The same commands as in package.json's `check` and `lint`, separate so that each has its own result. */
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

/** Runs of vitest; of those under Deno, vitest.deno.config.ts names the files. */
const node = { name: isLong ? "long" : "tests", command: ["vitest", "run", ...words] }
// words may name files that are not among those; without words all of them must be there
const denoWords = words.length > 0 ? ["--passWithNoTests", ...words] : []
const deno = { name: "deno", command: ["npm", "run", "--silent", "test:deno", "--", ...denoWords] }
const suites = isLong ? [node, deno] : [node]

const children = new Set()
let stopped = false
// Ctrl-C reaches the whole process group, SIGTERM this process alone
process.on("SIGINT", () => (stopped = true))
process.on("SIGTERM", () => {
  stopped = true
  for (const child of children) child.kill("SIGTERM")
})

/** Runs a program to its end. `behind`: at low priority, so that the tests go first, and with its output captured. */
const run = ([program, ...words], behind = false) =>
  new Promise((resolve) => {
    const child = spawn(program, words, { cwd: root, stdio: behind ? ["ignore", "pipe", "pipe"] : "inherit", env })
    children.add(child)
    let output = ""
    if (behind) {
      if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL)
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk))
    }
    child.once("error", (error) => {
      console.error(`${program}: ${error.message}`)
      resolve({ good: false, output })
    })
    child.once("close", (code) => {
      children.delete(child)
      resolve({ good: code === 0, output })
    })
  })

async function timed(name, work) {
  const since = performance.now()
  const result = await work()
  return { name, ...result, seconds: (performance.now() - since) / 1000 }
}

/** The checks one after another, while tests wait. */
async function checked() {
  const done = []
  for (const { name, commands } of checks) {
    const check = async () => {
      const results = []
      for (const command of commands) if (!stopped) results.push(await run(command, true))
      return { good: results.every(({ good }) => good), output: results.map(({ output }) => output).join("") }
    }
    done.push(await timed(name, check))
  }
  return done
}

/** The counts of the tests' reporter; without them vitest itself failed. */
function testsCounted(good) {
  let total = { passed: 0, failed: 0, skipped: 0, failures: [] }
  try {
    total = JSON.parse(readFileSync(counted, "utf8"))
  } catch {
    total.failed = 1
    total.failures = ["vitest itself"]
  }
  rmSync(counted, { force: true })
  return good || total.failed > 0 ? total : { ...total, failed: 1, failures: ["vitest itself"] }
}

/** The suites one after another, each with the counts of its tests. */
async function tested() {
  const done = []
  for (const { name, command } of suites) {
    const { good, seconds } = await timed(name, () => run(command))
    const count = testsCounted(good)
    done.push({ name, good: count.failed === 0, seconds, ...count })
  }
  return done
}

mkdirSync(artifacts, { recursive: true })
rmSync(counted, { force: true })
const [tests, parts] = await Promise.all([tested(), isLong ? [] : checked()])
if (stopped) process.exit(130)

for (const { name, output } of parts) if (output !== "") console.log(`\n${name}\n${output.trimEnd()}`)
console.log("")
const counts = [
  ...parts.map(({ name, good }) => ({
    passed: Number(good),
    failed: Number(!good),
    skipped: 0,
    failures: good ? [] : [name]
  })),
  ...tests
]
for (const { name, good, seconds } of [...parts, ...tests]) {
  console.log(`${name.padEnd(8)}${good ? "ok    " : "FAILED"}${seconds.toFixed(1).padStart(8)} s`)
}
const sum = (kind) => counts.reduce((total, count) => total + count[kind], 0)
if (sum("skipped") > 0) console.log(`${sum("skipped")} skipped`)
const failures = counts.flatMap(({ failures }) => failures.map((name) => `FAILED  ${name}\n`)).join("")
process.stdout.write(failures)
const totals = `${sum("passed")} passed, ${sum("failed")} failed`
const suffix = isLong ? "-long" : ""
// .ci/run adds up both runs' totals and repeats what failed
writeFileSync(join(artifacts, `failures${suffix}.txt`), failures)
writeFileSync(join(artifacts, `totals${suffix}.txt`), `${totals}\n`)
console.log(totals)
process.exitCode = sum("failed") === 0 ? 0 : 1
