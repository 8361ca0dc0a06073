/**
 * jobs: what a job costs: the runtime, the floor and BullMQ, each in a worker's and a submitter's process on a Redis of its own.
 * The workload is that of Workload.ts.
 */
import { Effect, Exit, Scope } from "effect"
import { start } from "../../packages/core/src/server/RedisServer.ts"
import type { RedisServer } from "../../packages/core/src/server/RedisServer.ts"
import * as RedisCluster from "../core/RedisCluster.ts"
import type { Figures } from "./Contest.ts"
import type { Switches } from "./eco2.ts"
import { Part } from "./Part.ts"
import { redisInfo, redisMicros } from "./Spent.ts"

export interface Contender {
  readonly file: string
  readonly mode: string
  readonly bench?: Switches
  readonly redis?: ReadonlyArray<string>
  /** Processes that work. Default 1. */
  readonly workers?: number
  /** Masters of a Cluster; default: one server that is none. */
  readonly masters?: 3
}
export const contenders: Readonly<Record<string, Contender>> = {
  eco2: { file: "eco2.ts", mode: "" },
  floor: { file: "floor.ts", mode: "" },
  "bullmq chain": { file: "bullmq.ts", mode: "chain" },
  "bullmq flow": { file: "bullmq.ts", mode: "flow" }
}
/** eco2 of another copy of the project. */
export const another = (root: string): Contender => ({ file: `${root}/test/bench/eco2.ts`, mode: "" })

/** An append-only file that is synced every second and not rewritten meanwhile. */
export const everySecond = ["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"]

const parts = ({ bench = {}, file, mode }: Contender, at: string, workMillis = 0) => {
  const env = { BENCH: JSON.stringify(bench) }
  return {
    submitter: () => new Part(file, ["submitter", at, String(workMillis), mode], env),
    worker: () => new Part(file, ["worker", at, String(workMillis), mode], env)
  }
}

export interface Size {
  readonly jobs: number
  /** Jobs before the measured ones, so that the code is warm. */
  readonly warmUp: number
  /** Jobs one at a time. */
  readonly idle: number
}

interface Store {
  /** A port, or the URL of a Cluster. */
  readonly at: string
  readonly servers: ReadonlyArray<RedisServer>
  readonly stop: () => Promise<void>
}
const storeOf = async ({ masters, redis = [] }: Contender): Promise<Store> => {
  const args = [...everySecond, ...redis]
  if (masters === undefined) {
    const server = await start({ args })
    return { at: String(server.port), servers: [server], stop: () => server.stop() }
  }
  const scope = Scope.makeUnsafe()
  const { servers, url } = await Effect.runPromise(Scope.provide(RedisCluster.start(args), scope))
  return { at: url, servers, stop: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

/** Of jobs in a burst, and of lone ones, with warm code. `micros`: what the store, by that name, has used so far. */
export const costs = async (
  { submitter, workers }: { readonly submitter: Part; readonly workers: ReadonlyArray<Part> },
  { micros, name }: { readonly name: string; readonly micros: () => number },
  { idle, jobs, warmUp }: Size
): Promise<Figures> => {
  submitter.send(`burst ${warmUp}`)
  await submitter.on("drained")
  const usage = async () => {
    const used = await Promise.all(workers.map((worker) => worker.ask("usage")))
    const own = await submitter.ask("usage")
    return {
      store: micros(),
      worker: used.reduce((sum, { cpu = 0 }) => sum + cpu * 1_000, 0),
      submitter: (own.cpu ?? 0) * 1_000,
      rss: Math.max(...used.map(({ rss = 0 }) => rss / 2 ** 20))
    }
  }
  const from = await usage()
  submitter.send(`burst ${jobs}`)
  const drained = await submitter.on("drained")
  const to = await usage()
  // idle latency, one job at a time
  submitter.send(`idle ${idle}`)
  const alone = await submitter.on("idle")
  return {
    "jobs/s": jobs / (drained.millis! / 1_000),
    [`${name} CPU µs/job`]: (to.store - from.store) / jobs,
    "worker CPU µs/job": (to.worker - from.worker) / jobs,
    "submitter CPU µs/job": (to.submitter - from.submitter) / jobs,
    "idle p50 ms": alone.p50!,
    "idle p99 ms": alone.p99!,
    "worker RSS MiB": to.rss
  }
}

export const round = async (contender: Contender, size: Size): Promise<Figures> => {
  const { at, servers, stop } = await storeOf(contender)
  const summed = (of: (server: RedisServer) => number) => servers.reduce((sum, server) => sum + of(server), 0)
  const memory = () => summed((server) => redisInfo(server).used_memory ?? 0)
  const { submitter: submit, worker: work } = parts(contender, at)
  const submitter = submit()
  await submitter.on("ready")
  // bytes for each waiting job, before any worker starts
  const before = memory()
  const waiting = 2_000
  submitter.send(`burst ${waiting}`)
  await submitter.on("submitted")
  const bytes = (memory() - before) / waiting
  const workers = Array.from({ length: contender.workers ?? 1 }, work)
  await Promise.all(workers.map((worker) => worker.on("ready")))
  await submitter.on("drained")
  const store = { name: "Redis", micros: () => summed(redisMicros) }
  const figures = await costs({ submitter, workers }, store, size)
  await Promise.all([submitter, ...workers].map((part) => part.end()))
  await stop()
  return { ...figures, "bytes/waiting job": bytes }
}

/** How fast jobs end while so many wait. Redis keeps nothing on disk: the file of a million jobs is not what is measured. */
export const amongWaiting = async (waiting: number, jobs: number): Promise<Figures> => {
  const server = await start()
  const { submitter: submit, worker: work } = parts(
    { file: "eco2.ts", mode: "", bench: { settings: { mailboxCapacity: 10_000_000 } } },
    String(server.port)
  )
  const submitter = submit()
  await submitter.on("ready")
  const before = redisInfo(server).used_memory ?? 0
  submitter.send(`burst ${waiting + 2 * jobs}`)
  await submitter.on("submitted")
  const bytes = ((redisInfo(server).used_memory ?? 0) - before) / (waiting + 2 * jobs)
  // asked before anything ends; the first ones warm the worker
  const warm = submitter.ask(`ended ${jobs}`)
  const worker = work()
  await Promise.all([worker.on("ready"), warm])
  const from = redisMicros(server)
  const { millis } = await submitter.ask(`ended ${jobs}`)
  const redis = redisMicros(server) - from
  await Promise.all([submitter.end(), worker.end()])
  await server.stop()
  return { "jobs/s": jobs / (millis! / 1_000), "Redis CPU µs/job": redis / jobs, "bytes/waiting job": bytes }
}

/** Many jobs in flight in one process, waiting for a slow model. */
export const inFlight = async (count: number): Promise<Figures> => {
  const stageMillis = 5_000
  const stages = 4
  const server = await start({ args: ["--appendonly", "yes", "--appendfsync", "everysec"] })
  const { submitter: submit, worker: work } = parts(contenders.eco2!, String(server.port), stageMillis)
  const [submitter, worker] = [submit(), work()]
  await Promise.all([submitter.on("ready"), worker.on("ready")])
  submitter.send(`burst ${count}`)
  await submitter.on("submitted")
  const usage = await worker.ask("usage")
  const drained = await submitter.on("drained")
  await Promise.all([submitter.end(), worker.end()])
  await server.stop()
  const seconds = drained.millis! / 1_000
  const possible = count / (stageMillis / 1_000)
  return {
    "worker RSS MiB": usage.rss! / 2 ** 20,
    "stages/s": (count * stages) / seconds,
    "% of what the waiting allows": (100 * count * stages) / seconds / possible,
    "all done after s": seconds
  }
}
