/**
 * Contender: BullMQ. `node bullmq.ts worker|submitter <redis port> <work millis> chain|flow`.
 *   chain  four queues, each worker adds to the next; earlier outputs travel in the job, as its users do it
 *   flow   a FlowProducer tree of four queues
 */
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq"
import { cpuMillis, input, onCommand, output, percentile, report, stages } from "./Workload.ts"

const [role = "worker", port = "6379", workMillis = "0", mode = "chain"] = process.argv.slice(2)
const connection = { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null }
const keep = { removeOnComplete: { age: 3600, count: 1_000_000 }, removeOnFail: false }
const concurrency = Number(workMillis) > 0 ? 20_000 : 100
const work = async () => {
  if (Number(workMillis) > 0) await new Promise((resolve) => setTimeout(resolve, Number(workMillis)))
}

if (role === "worker") {
  const queues = new Map(stages.map((name) => [name, new Queue(name, { connection })]))
  await Promise.all(
    stages.map(async (name, i) => {
      const next = stages[i + 1]
      const worker = new Worker(
        name,
        async (job) => {
          await work()
          if (mode === "chain" && next !== undefined) {
            const data = { ...job.data, [name]: output }
            await queues.get(next)?.add(next, data, { jobId: `${job.data.key}-${next}`, ...keep })
          }
          return output
        },
        { connection, concurrency }
      )
      await worker.waitUntilReady()
    })
  )
  onCommand((command) => {
    if (command === "usage") report("usage", { cpu: cpuMillis(), rss: process.memoryUsage().rss })
  })
  report("ready")
} else {
  const first = new Queue(stages[0], { connection })
  const flow = new FlowProducer({ connection })
  const events = new QueueEvents(stages[3], { connection })
  await Promise.all([first.waitUntilReady(), flow.waitUntilReady(), events.waitUntilReady()])
  let open = 0
  let started = 0
  let next = 0
  const waiting = new Map<string, () => void>()
  events.on("completed", ({ jobId }) => {
    waiting.get(jobId)?.()
    waiting.delete(jobId)
    if (--open === 0 && started > 0) report("drained", { millis: performance.now() - started, cpu: cpuMillis() })
  })
  const submit = async () => {
    const key = `${process.pid}x${next++}`
    const last = `${key}-${stages[3]}`
    if (mode === "chain") await first.add(stages[0], { ...input, key }, { jobId: `${key}-${stages[0]}`, ...keep })
    else {
      const node = (i: number): Parameters<FlowProducer["add"]>[0] => ({
        name: stages[i]!,
        queueName: stages[i]!,
        data: i === 0 ? { ...input, key } : { key },
        opts: { jobId: `${key}-${stages[i]}`, ...keep },
        ...(i === 0 ? {} : { children: [node(i - 1)] })
      })
      await flow.add(node(3))
    }
    return last
  }
  const burst = async (count: number) => {
    open = count
    started = performance.now()
    let left = count
    const lane = async () => {
      while (left-- > 0) await submit()
    }
    await Promise.all(Array.from({ length: 200 }, lane))
    report("submitted", { millis: performance.now() - started })
  }
  const idle = async (count: number) => {
    open = Number.MAX_SAFE_INTEGER
    const millis: Array<number> = []
    for (let i = 0; i < count; i++) {
      const from = performance.now()
      const id = `${process.pid}x${next}-${stages[3]}`
      const done = new Promise<void>((resolve) => waiting.set(id, resolve))
      await submit()
      await done
      millis.push(performance.now() - from)
    }
    report("idle", { p50: percentile(millis.slice(10), 0.5), p99: percentile(millis.slice(10), 0.99) })
  }
  onCommand((command, argument) => {
    if (command === "burst") void burst(argument)
    else if (command === "idle") void idle(argument)
    else if (command === "usage") report("usage", { cpu: cpuMillis(), rss: process.memoryUsage().rss })
  })
  report("ready")
}
