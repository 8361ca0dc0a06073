#!/usr/bin/env node
/**
 * `npx eco2`: the command line under whatever Node the system has. One too old to run TypeScript hands over to the one the
 * packages bring, which is this process's child: same terminal, same signals, same exit code.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** Runs TypeScript as it is, without a warning. */
const oldestNode = 24
const main = new URL("./main.ts", import.meta.url)
const own = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url))

if (Number(process.versions.node.split(".")[0]) >= oldestNode) {
  await import(main.href)
} else if (existsSync(own)) {
  const { error, signal, status } = spawnSync(own, [fileURLToPath(main), ...process.argv.slice(2)], {
    stdio: "inherit"
  })
  if (error) console.error(`eco2: ${error.message}`)
  if (signal) process.kill(process.pid, signal)
  process.exitCode = status ?? 1
} else {
  console.error(`eco2: Node ${oldestNode} or newer is needed; \`npm run bootstrap\` installs it beside the packages`)
  process.exitCode = 1
}
