/**
 * Losses: counts acknowledged submits that a Redis has lost after its master died. One kill: many fibers submit jobs through
 * core's API, the master dies meanwhile, and every acknowledged id is looked up in the recovered Redis (J1 holds only as long as
 * Redis keeps its data; this measures how far it does).
 * See also: RedisMode (sets up, kills and recovers), loss.ts (repeats and prints).
 */
import { Client, CoreConfig, Job, Pipeline } from "@eco2/core"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { Effect, Latch, Layer, References, Schema } from "effect"
import { chance } from "./Chance.ts"
import { Errand } from "./Errand.ts"
import type { Death, RedisMode } from "./RedisMode.ts"

export const submitters = 16
/** A submitter's pause after each answer, at most. */
const pauseMillis = 16
const waitMillis = 1_000

export interface Options {
  readonly mode: RedisMode
  readonly death: Death
  readonly seed: number
  readonly round: number
  /** The master dies this long after the first submit, and not before this many were acknowledged. */
  readonly afterMillis: number
  readonly afterAcknowledged: number
}

/** One kill. */
export interface Loss {
  readonly acknowledged: number
  readonly lost: number
  /** From the acknowledgement of the earliest lost job to the kill. */
  readonly reachMillis: number
  /** Jobs stored in part, and entries without a timer: a script's writes must survive together or not at all (J3). */
  readonly torn: number
  readonly perSecond: number
}

/** A client that closes with the effect. */
const client = (url: string) =>
  Layer.fresh(Client.layer.pipe(Layer.provideMerge(RedisClient.layerUrl(url)), Layer.provide(CoreConfig.layerWith({}))))

const decodeInt = Schema.decodeUnknownEffect(Schema.Int)

/** Submits until the master is dead; returns when each submit was acknowledged. */
const submitThrough = Effect.fnUntraced(function* (options: Options, kill: Effect.Effect<void>) {
  const { mode, seed } = options
  const redis = yield* RedisClient.RedisClient
  const acknowledged = new Map<Job.JobId, number>()
  const enough = yield* Latch.make(options.afterAcknowledged === 0)
  let killedAt = Infinity
  // after a reconnect a WAIT confirms nothing, because the new connection may reach another master
  const sameConnection = () => redis.reconnects() === 0
  const confirmed = mode.waits
    ? redis.send("WAIT", 1, waitMillis).pipe(
        Effect.flatMap(decodeInt),
        Effect.map((replicas) => replicas >= 1)
      )
    : Effect.succeed(true)
  const submitOne = Effect.fnUntraced(function* (n: number) {
    const key = `${seed}/${options.round}/${n}`
    const { id } = yield* Pipeline.submit(Errand, { number: n }, { owner: null, key })
    if (!(yield* confirmed) || !sameConnection()) return
    acknowledged.set(id, performance.now())
    if (acknowledged.size >= options.afterAcknowledged) yield* enough.open
  })
  const submitter = (first: number) =>
    Effect.gen(function* () {
      for (let n = first; killedAt === Infinity; n += submitters) {
        yield* submitOne(n)
        yield* Effect.sleep(chance(seed, "pause", options.round, n) * pauseMillis)
      }
    }).pipe(
      // no answer is expected of a dead master, and of no other
      Effect.catchTag("RedisUnavailable", (error) => (killedAt === Infinity ? Effect.fail(error) : Effect.void))
    )
  const since = performance.now()
  const killing = Effect.gen(function* () {
    yield* Effect.sleep(options.afterMillis)
    yield* enough.await
    killedAt = performance.now()
    yield* kill
  })
  const all = Array.from({ length: submitters }, (_, i) => submitter(i))
  yield* Effect.all([killing, ...all], { concurrency: "unbounded", discard: true })
  return { acknowledged, killedAt, perSecond: (acknowledged.size / (killedAt - since)) * 1000 }
})

/** The ids that are lost, and how many are there in part. */
const lookUp = Effect.fnUntraced(function* (ids: Iterable<Job.JobId>) {
  const redis = yield* RedisClient.RedisClient
  const { of, partitions } = yield* Keyspace
  const lost: Array<Job.JobId> = []
  let torn = 0
  const count = (command: string, key: string) => Effect.flatMap(redis.send(command, key), decodeInt)
  yield* Effect.forEach(
    ids,
    Effect.fnUntraced(function* (id) {
      const partition = of(id)
      const hash = yield* count("EXISTS", partition.job(id))
      const timer = yield* redis.send("ZSCORE", partition.timers, id)
      if (hash === 0) lost.push(id)
      if ((hash === 0) !== (timer === null)) torn++
    }),
    { concurrency: 200, discard: true }
  )
  const mailbox = Errand.plan[0]!.mailbox
  for (const partition of partitions) {
    const entries = yield* count("XLEN", partition.mailbox(mailbox))
    torn += Math.abs(entries - (yield* count("ZCARD", partition.timers)))
  }
  return { lost, torn }
})

/** Sets up a mode, kills its master once, and counts. */
export const kill = (options: Options) =>
  Effect.gen(function* () {
    const standing = yield* options.mode.stand(options.death)
    const run = yield* Effect.provide(submitThrough(options, standing.kill), client(standing.url))
    const url = yield* standing.comeBack
    const { lost, torn } = yield* Effect.provide(lookUp(run.acknowledged.keys()), client(url))
    const reaches = lost.map((id) => run.killedAt - (run.acknowledged.get(id) ?? run.killedAt))
    return {
      acknowledged: run.acknowledged.size,
      lost: lost.length,
      reachMillis: Math.max(0, ...reaches),
      torn,
      perSecond: run.perSecond
    } satisfies Loss
  }).pipe(
    Effect.scoped,
    // lost connections are expected here
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.timeout("60 seconds")
  )

const grouped = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ",")
const inWords = (millis: number) =>
  millis >= 995 ? `${(millis / 1000).toFixed(2)} s` : `${millis < 10 ? millis.toFixed(1) : millis.toFixed(0)} ms`

/** Three cells of the table: lost of acknowledged, lost a kill (median / worst), age of the oldest lost job. */
export const cells = (kills: ReadonlyArray<Loss>): ReadonlyArray<string> => {
  if (kills.length === 0) return ["-", "-", "-"]
  const sum = (of: (loss: Loss) => number) => kills.reduce((total, loss) => total + of(loss), 0)
  const sorted = kills.map(({ lost }) => lost).toSorted((a, b) => a - b)
  // of an even number the lower one
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
  const [lost, acknowledged] = [sum((loss) => loss.lost), sum((loss) => loss.acknowledged)]
  const reach = inWords(Math.max(...kills.map(({ reachMillis }) => reachMillis)))
  return [
    `${grouped(lost)} of ${grouped(acknowledged)}`,
    `${grouped(median)} / ${grouped(sorted.at(-1) ?? 0)}`,
    lost === 0 ? "-" : lost === acknowledged ? "all" : reach
  ]
}

const row = (words: ReadonlyArray<string>) => `| ${words.join(" | ")} |`

/** A Markdown table; a power loss that could not be measured is a dash. */
export const table = (
  results: ReadonlyArray<{ readonly mode: string; readonly byDeath: Readonly<Record<Death, ReadonlyArray<Loss>>> }>
): ReadonlyArray<string> => {
  const heads = ["process kill: lost of acknowledged", "a kill: median / worst", "reaching back"]
  return [
    row(["Redis", ...heads, ...heads.map((head) => head.replace("process kill", "power loss"))]),
    row(Array.from({ length: 7 }, () => "---")),
    ...results.map(({ byDeath, mode }) =>
      row([mode, ...cells(byDeath["process kill"]), ...cells(byDeath["power loss"])])
    )
  ]
}
