/**
 * Contender: graphile-worker on PostgreSQL. `node graphile.ts worker|submitter <url>`. Four tasks; the handler of each adds the job
 * of the next, without a job key, and earlier outputs travel in the payload. It keeps no results, so the last handler stores the
 * output in a table and notifies the submitter, which listens. Batches and connections are those of its own benchmark: a local
 * queue of 500, completions of one tick together, a pool of 25.
 */
import { Logger, makeWorkerUtils, run } from "graphile-worker"
import type { JobHelpers, TaskList } from "graphile-worker"
import { Client } from "pg"
import * as Submitter from "./Submitter.ts"
import { cpuMillis, input, onCommand, output, report, stages } from "./Workload.ts"

const [role = "worker", connectionString = ""] = process.argv.slice(2)
const logger = new Logger(() => (level, message) => {
  if (level === "error") process.stderr.write(`graphile-worker: ${message}\n`)
})
const channel = "bench_ended"

interface Payload {
  readonly key: string
  readonly text: string
}

if (role === "worker") {
  const tables = new Client({ connectionString })
  await tables.connect()
  await tables.query("CREATE TABLE IF NOT EXISTS bench_ended (key text PRIMARY KEY, output json NOT NULL)")
  await tables.end()
  const end = `WITH stored AS (INSERT INTO bench_ended VALUES ($1, $2) ON CONFLICT DO NOTHING) SELECT pg_notify('${channel}', $1)`
  const taskList: TaskList = {}
  for (const [i, name] of stages.entries()) {
    const next = stages[i + 1]
    taskList[name] = async (payload: unknown, helpers: JobHelpers) => {
      const job = payload as Payload
      if (next === undefined) await helpers.query(end, [job.key, JSON.stringify(output)])
      else await helpers.addJob(next, { ...job, [name]: output })
    }
  }
  await run({
    taskList,
    preset: {
      worker: {
        connectionString,
        logger,
        concurrentJobs: 100,
        maxPoolSize: 25,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0
      }
    }
  })
  onCommand((command) => {
    if (command === "usage") report("usage", { cpu: cpuMillis(), rss: process.memoryUsage().rss })
  })
  report("ready")
} else {
  const listener = new Client({ connectionString })
  await listener.connect()
  const waiting = new Map<string, () => void>()
  listener.on("notification", ({ payload = "" }) => {
    waiting.get(payload)?.()
    waiting.delete(payload)
  })
  await listener.query(`LISTEN ${channel}`)
  const utils = await makeWorkerUtils({ preset: { worker: { connectionString, logger, maxPoolSize: 20 } } })
  let id = 0
  Submitter.serve({
    submit: async () => {
      const key = `${process.pid}x${id}`
      const ended = new Promise<void>((resolve) => waiting.set(key, resolve))
      await utils.addJob(stages[0], { ...input, id: id++, key })
      return { ended }
    },
    ended: (jobs) => Promise.all(jobs.map((job) => job.ended))
  })
}
