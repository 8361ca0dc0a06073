/** A hook beside a sidecar that does not end by itself: its Job ends, with the command's exit code. */
import { describe, expect, it, onTestFinished } from "vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import { root } from "./Chart.ts"

/** The requests to the sidecar, in order. */
const sidecar = async () => {
  const asked: Array<string> = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    // not ready at the first request
    response.writeHead(asked.length === 1 ? 503 : 200).end()
  })
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => void server.close())
  const bound = server.address()
  const address = `http://127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}`
  return { asked, env: { SIDECAR_READY: `${address}/ready`, SIDECAR_QUIT: `${address}/quit` } }
}
const run = async (env: Readonly<Record<string, string>>, ...words: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, [`${root}deploy/helm/eco2/files/hook.mjs`, ...words], { env, stdio: "pipe" })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")))
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")))
  const [code] = await once(child, "close")
  return { code, output }
}

describe("the chart's hook", () => {
  it.each([
    [0, "console.log(`did it`)"],
    [3, "console.log(`could not`); process.exit(3)"]
  ])("the hook waits for the sidecar, ends it, and exits with its command's %i", async (expected, command) => {
    const { asked, env } = await sidecar()
    const { code, output } = await run(env, "-e", command)
    expect(code).toBe(expected)
    expect(output).toMatch(/did it|could not/)
    expect(asked).toEqual(["GET /ready", "GET /ready", "POST /quit"])
  })
})
