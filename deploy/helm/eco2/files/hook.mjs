/**
 * Runs a command of the project as the only work of a Job with an Istio sidecar that does not end by itself: waits for the
 * sidecar, runs `node <words>`, then tells the sidecar to quit, so that the Job ends. The exit code is the command's.
 */
import { spawnSync } from "node:child_process"
import { setTimeout as delay } from "node:timers/promises"

const ready = process.env.SIDECAR_READY ?? "http://127.0.0.1:15021/healthz/ready"
const quit = process.env.SIDECAR_QUIT ?? "http://127.0.0.1:15020/quitquitquit"

const ask = async (url, method) => {
  try {
    return (await fetch(url, { method, signal: AbortSignal.timeout(2_000) })).ok
  } catch {
    return false // the caller counts the attempts
  }
}

let present = false
for (let tries = 0; tries < 30 && !present; tries++) {
  present = await ask(ready, "GET")
  if (!present) await delay(1_000)
}
if (!present) console.error("no sidecar is ready after 30 tries; going on without it")
const { error, status } = spawnSync(process.execPath, process.argv.slice(2), { stdio: "inherit" })
if (error) console.error(error.message)
if (present && !(await ask(quit, "POST")))
  console.error("the sidecar was told to quit and did not answer; the Job may hang")
process.exitCode = status ?? 1
