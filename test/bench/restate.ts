/**
 * Contender: Restate. `node restate.ts worker|submitter <ingress url> <admin url>`. A handler of four `ctx.run` steps; the worker
 * serves it over HTTP/2 and registers it. The submitter's call to the ingress is stored before the handler starts, and its
 * response is the result; so the number of open calls is that of the concurrent jobs.
 */
import { endpoint, service } from "@restatedev/restate-sdk"
import type { Context } from "@restatedev/restate-sdk"
import { connect } from "@restatedev/restate-sdk-clients"
import { createServer } from "node:http2"
import type { AddressInfo } from "node:net"
import * as Submitter from "./Submitter.ts"
import { cpuMillis, input, onCommand, output, report, stages } from "./Workload.ts"

const [role = "worker", ingress = "", admin = ""] = process.argv.slice(2)
const bench = service({
  name: "bench",
  handlers: {
    job: async (ctx: Context, _: typeof input) => {
      for (const name of stages) await ctx.run(name, () => output)
      return output
    }
  }
})

if (role === "worker") {
  // by default it logs the start and the end of each job
  const quiet = endpoint()
    .bind(bench)
    .setLogger(({ level }, message) => {
      if (String(level) === "error") process.stderr.write(`restate: ${message}\n`)
    })
  const server = createServer(quiet.http2Handler())
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const registered = await fetch(`${admin}/deployments`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ uri: `http://127.0.0.1:${port}` })
  })
  if (!registered.ok) throw new Error(`not registered: ${registered.status} ${await registered.text()}`)
  onCommand((command) => {
    if (command === "usage") report("usage", { cpu: cpuMillis(), rss: process.memoryUsage().rss })
  })
  report("ready")
} else {
  const client = connect({ url: ingress }).serviceClient<typeof bench>({ name: "bench" })
  let id = 0
  Submitter.serve({
    lanes: 100,
    submit: async () => client.job({ ...input, id: id++ }),
    ended: () => Promise.resolve()
  })
}
