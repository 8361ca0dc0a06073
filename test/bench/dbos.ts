/**
 * Contender: DBOS Transact on PostgreSQL. `node dbos.ts worker|submitter <url>`. One workflow of four steps, of which each stores
 * its output; the submitter enqueues it by DBOSClient and waits for its result. Both ends poll, by default once a second, which
 * would start at most 100 jobs a second: here the queue is polled every 10 ms, a lone result as often, and those of a burst
 * together every 100 ms.
 */
import { DBOS, DBOSClient } from "@dbos-inc/dbos-sdk"
import * as Submitter from "./Submitter.ts"
import { cpuMillis, input, onCommand, output, report, stages } from "./Workload.ts"

const [role = "worker", systemDatabaseUrl = ""] = process.argv.slice(2)
const queueName = "bench"
const workflowName = "job"

if (role === "worker") {
  DBOS.setConfig({ name: "bench", systemDatabaseUrl, systemDatabasePoolSize: 25, logLevel: "error" })
  DBOS.registerWorkflow(
    async (_: typeof input) => {
      for (const name of stages) await DBOS.runStep(() => Promise.resolve(output), { name })
      return output
    },
    { name: workflowName }
  )
  await DBOS.launch()
  await DBOS.registerQueue(queueName, { workerConcurrency: 100, minPollingIntervalMs: 10 })
  onCommand((command) => {
    if (command === "usage") report("usage", { cpu: cpuMillis(), rss: process.memoryUsage().rss })
  })
  report("ready")
} else {
  const client = await DBOSClient.create({ systemDatabaseUrl, systemDatabasePoolSize: 20, applicationName: "bench" })
  let id = 0
  Submitter.serve({
    submit: () => client.enqueue({ queueName, workflowName }, { ...input, id: id++ }),
    ended: (handles) =>
      handles.length === 1
        ? handles[0]!.getResult({ pollingIntervalMs: 10 })
        : client.waitAll([...handles], { pollingIntervalMs: 100 })
  })
}
