/**
 * Prepares a fresh clone: installs the packages of package-lock.json, once for each lock file. Runs before every `npm start` and
 * `npm test`, under the system's Node (20 or newer) and with nothing installed; prints nothing if there is nothing to do. The
 * packages include the Node 24 that everything after this script runs on.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { basename, delimiter, dirname, join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"
import { pause, take } from "./ProcessLock.mjs"

const root = fileURLToPath(new URL("../", import.meta.url))
const modules = join(root, "node_modules")
const stamp = join(modules, ".lock-sha256")
const ownNode = join(modules, ".bin", "node")
/** This Node and newer ones run TypeScript directly; the packages require it too. */
const oldestNode = 24

function say(line) {
  process.stderr.write(`eco2: ${line}\n`)
}

function fail(line) {
  say(line)
  process.exit(1)
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isInstalled() {
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex")
  const have = existsSync(stamp) ? readFileSync(stamp, "utf8").trim() : ""
  return { wanted, done: have === wanted }
}

/** A Node outside node_modules, because the installation may delete the one inside. */
function systemNode() {
  const candidates = [process.execPath, process.env.npm_node_execpath]
  for (const folder of (process.env.PATH ?? "").split(delimiter)) candidates.push(join(folder, "node"))
  return candidates.find((file) => file && !file.includes(`${sep}node_modules${sep}`) && isExecutable(file))
}

/** The npm that started us, so that both have the same version; else the one on PATH. */
function npm() {
  const caller = process.env.npm_execpath ?? ""
  const node = systemNode()
  return node !== undefined && /^npm-cli\.[cm]?js$/.test(basename(caller)) ? [node, caller] : ["npm"]
}

function install() {
  rmSync(stamp, { force: true })
  const [program, ...first] = npm()
  // all packages, whatever NODE_ENV is: the stamp covers start, tests and lint alike
  const words = [...first, "ci", "--loglevel=error", "--include=dev", "--include=optional"]
  const { error, status, signal } = spawnSync(program, words, { cwd: root, stdio: ["ignore", "inherit", "inherit"] })
  if (signal === "SIGINT" || signal === "SIGTERM") process.exit(130)
  return error ? error.message : status === 0 ? "" : `npm ci ended with ${status ?? signal}`
}

/**
 * Makes sure that `node` in npm's scripts is recent enough. It is the packaged Node; npm 10 removes its link while it drops the
 * packages of other platforms, which have the same name. If the packaged Node cannot run (another C library, another system),
 * the system's own must be new enough.
 */
function settleNode() {
  const packaged = join(modules, `node-${process.platform}-${process.arch}`, "bin", "node")
  if (existsSync(packaged) && spawnSync(packaged, ["--version"], { stdio: "ignore" }).status === 0) {
    if (existsSync(ownNode)) return
    rmSync(ownNode, { force: true })
    symlinkSync(relative(dirname(ownNode), packaged), ownNode)
    return
  }
  rmSync(ownNode, { force: true })
  const node = systemNode()
  const version = node ? spawnSync(node, ["--version"], { encoding: "utf8" }).stdout : ""
  const major = Number(/^v(\d+)/.exec(version ?? "")?.[1] ?? 0)
  if (major < oldestNode) {
    fail(`no packaged Node for ${process.platform} ${process.arch}: install Node ${oldestNode} or newer and try again`)
  }
}

function main() {
  if (isInstalled().done) return
  mkdirSync(join(root, ".eco2"), { recursive: true })
  const lock = join(root, ".eco2", "bootstrap.lock")
  let held = take(lock)
  if (!held.taken) say(`process ${held.pid} is installing the packages; waiting for it`)
  while (!held.taken) {
    pause(200)
    held = take(lock)
  }
  process.on("exit", held.release)
  const { wanted, done } = isInstalled()
  if (done) return
  say("installing the packages (npm ci)")
  let trouble = install()
  if (trouble !== "") {
    say(`${trouble}; trying once more`)
    pause(2000)
    trouble = install()
  }
  if (trouble !== "") {
    fail(
      `the packages are not installed: ${trouble}. See the lines above; \`npm ping\` shows whether the registry answers`
    )
  }
  settleNode()
  writeFileSync(stamp, `${wanted}\n`)
}

try {
  main()
} catch (error) {
  fail(
    error.code === "EACCES" || error.code === "EPERM" || error.code === "EROFS"
      ? `cannot write to this checkout: ${error.message}`
      : (error.stack ?? String(error))
  )
}
