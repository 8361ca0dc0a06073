#!/usr/bin/env node
/**
 * `npx eco2`: starts the command line under the system's Node. If that is too old to run TypeScript, it runs the packaged Node as
 * a child with the same terminal, signals and exit code.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** The first Node that runs TypeScript without a warning. */
const oldestNode = 24
const start = new URL("./start.mjs", import.meta.url)
const own = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url))

if (Number(process.versions.node.split(".")[0]) >= oldestNode) {
  await import(start.href)
} else if (existsSync(own)) {
  const { error, signal, status } = spawnSync(own, [fileURLToPath(start), ...process.argv.slice(2)], {
    stdio: "inherit"
  })
  if (error) console.error(`eco2: ${error.message}`)
  if (signal) process.kill(process.pid, signal)
  process.exitCode = status ?? 1
} else {
  console.error(`eco2: Node ${oldestNode} or newer is needed; \`npm run bootstrap\` installs it beside the packages`)
  process.exitCode = 1
}
