/**
 * `npm test`: type check, lint, format, then all tests except the long ones. All of them run even if one fails; each reports
 * its duration, and what failed is named once more at the end; the last line is `N passed, N failed`, where a check counts as
 * one and every test as one.
 * Arguments after `--` go to vitest: `npm test -- test/core`. As `npm run test:long` (`--long`) it runs the long tests alone,
 * and those under Deno. On a build machine (`CI` is set) files in which something failed run once more, alone: what passes then
 * is told as FLAKY, and has passed (docs/decisions/0073-a-build-machine-asks-twice.md).
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
const node = { name: isLong ? "long" : "tests", command: ["vitest", "run"], words }
// words may name files that are not among those; without words all of them must be there
const denoWords = words.length > 0 ? ["--passWithNoTests", ...words] : []
const deno = { name: "deno", command: ["npm", "run", "--silent", "test:deno", "--"], words: denoWords }
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
  let total = { passed: 0, failed: 0, skipped: 0, failures: [], files: [] }
  try {
    total = JSON.parse(readFileSync(counted, "utf8"))
  } catch {
    total.failed = 1
    total.failures = ["vitest itself"]
  }
  rmSync(counted, { force: true })
  return good || total.failed > 0 ? total : { ...total, failed: 1, failures: ["vitest itself"] }
}

/** More files than these fail for a reason. */
const mostAgain = 5

/** The counts of a run; on a build machine, after a second run of the files in which something failed. */
async function counts(command, words) {
  const { good } = await run([...command, ...words])
  const first = testsCounted(good)
  const { failed, failures, files, passed } = first
  if (!process.env.CI || stopped || files.length === 0 || files.length > mostAgain) return first
  console.log(`\nonce more, alone: ${files.join(" ")}\n`)
  const second = await run([...command, ...files])
  return testsCounted(second.good).failed > 0
    ? first
    : { ...first, passed: passed + failed, failed: 0, failures: [], flaky: failures }
}

/** The suites one after another, each with the counts of its tests. */
async function tested() {
  const done = []
  for (const { command, name, words } of suites) {
    const { seconds, ...count } = await timed(name, () => counts(command, words))
    done.push({ ...count, name, good: count.failed === 0, seconds })
  }
  return done
}

mkdirSync(artifacts, { recursive: true })
rmSync(counted, { force: true })
const [tests, parts] = await Promise.all([tested(), isLong ? [] : checked()])
if (stopped) process.exit(130)

for (const { name, output } of parts) if (output !== "") console.log(`\n${name}\n${output.trimEnd()}`)
console.log("")
const results = [
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
const sum = (kind) => results.reduce((total, count) => total + count[kind], 0)
if (sum("skipped") > 0) console.log(`${sum("skipped")} skipped`)
const named = (word, kind) => results.flatMap((one) => (one[kind] ?? []).map((name) => `${word}${name}\n`)).join("")
const failures = named("FLAKY   ", "flaky") + named("FAILED  ", "failures")
process.stdout.write(failures)
const totals = `${sum("passed")} passed, ${sum("failed")} failed`
const suffix = isLong ? "-long" : ""
// .ci/run adds up both runs' totals and repeats what failed
writeFileSync(join(artifacts, `failures${suffix}.txt`), failures)
writeFileSync(join(artifacts, `totals${suffix}.txt`), `${totals}\n`)
console.log(totals)
process.exitCode = sum("failed") === 0 ? 0 : 1
