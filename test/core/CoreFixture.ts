/**
 * CoreFixture: the ground of core's tests. A private Redis for each file, emptied before each test; processes of the fleet, each a
 * set of layers of its own; and processes played by hand, which take an entry and then do only what the test says, so that races
 * and crashes are written step by step instead of waited for.
 * The pipeline of all tests: `parcel` = weigh (reads the image) → label → ship.
 */
import { afterAll, beforeAll, beforeEach } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Layer, References, Schema, Scope } from "effect"
import { inject } from "vitest"
import {
  ActorSystem,
  CallLedger,
  Client,
  CoreConfig,
  EventLog,
  Job,
  JobEnds,
  JobEvent,
  JobStore,
  Mailbox,
  PartialText,
  Pipeline,
  Policies,
  Replies,
  Retry,
  Schedules,
  Stage,
  StageBehavior,
  Topic,
  Worker
} from "@eco2/core"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import type { Keys } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import * as Lease from "../../packages/core/src/worker/Lease.ts"
import * as Timers from "../../packages/core/src/worker/Timers.ts"
import * as RedisCluster from "./RedisCluster.ts"
import * as RedisSentinel from "./RedisSentinel.ts"
import { show, until } from "./Until.ts"
import * as JobHash from "../harness/JobHash.ts"
import type { Handler } from "../../packages/core/src/pipeline/StageBehavior.ts"

// ---- Redis

/** `npm test` runs the same files on each topology; the test project sets `TEST_TOPOLOGY` (vitest.config.ts). */
export const topology = process.env.TEST_TOPOLOGY ?? "standalone"
/**
 * On a Cluster each partition's reader has a share of a stage's slots; and what a test does to "the server" (pausing, cutting off,
 * listing its clients) would affect one of three.
 */
export const onCluster = topology === "cluster"

/** One command to one server, through its own connection. */
const sentTo = (url: string, ...[command, ...args]: [string, ...Array<string>]) =>
  Effect.scoped(Effect.flatMap(RedisCluster.clientOf(url), (client) => client.send(command, ...args)))

interface Ground {
  /** The REDIS_URL of processes. */
  readonly url: string
  /** Every server that holds data. */
  readonly masters: ReadonlyArray<string>
}
/** The worker's own Cluster (test/clusterSetup.ts), emptied; three new servers if a file needs other settings. */
const cluster = ({ args = [] }: RedisServer.Options): Effect.Effect<Ground, unknown, Scope.Scope> => {
  const ready = args.length > 0 ? undefined : inject("clusters")?.[Number(process.env.VITEST_POOL_ID) - 1]
  if (ready === undefined) {
    return Effect.map(RedisCluster.start(args), ({ servers, url }) => ({ url, masters: servers.map((one) => one.url) }))
  }
  return Effect.as(
    Effect.forEach(ready.masters, (url) => sentTo(url, "FLUSHALL"), { concurrency: 3 }),
    ready
  )
}
const groundOf = (options: RedisServer.Options): Effect.Effect<Ground, unknown, Scope.Scope> => {
  if (topology === "cluster") return cluster(options)
  const server = RedisServer.scoped(options)
  if (topology === "standalone") return Effect.map(server, ({ url }) => ({ url, masters: [url] }))
  return Effect.gen(function* () {
    const { port, url } = yield* server
    return { url: (yield* RedisSentinel.watching(port)).url, masters: [url] }
  })
}

/** The file's own Redis: started before its tests, emptied before each of them if wanted, stopped afterwards. */
export const privateRedis = (
  options: RedisServer.Options = {},
  { emptied }: { readonly emptied: boolean } = { emptied: true }
) => {
  let ground: Ground | undefined
  const scope = Scope.makeUnsafe()
  const present = () => {
    if (ground === undefined) throw new Error("the private Redis is there only while tests run")
    return ground
  }
  /** Empties every server. */
  const flush = Effect.suspend(() =>
    Effect.forEach(present().masters, (url) => sentTo(url, "FLUSHALL"), { concurrency: 3 })
  ).pipe(Effect.orDie)
  beforeAll(async () => {
    ground = await Effect.runPromise(Scope.provide(groundOf(options), scope))
  }, 30_000)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  if (emptied) beforeEach(() => Effect.runPromise(Effect.asVoid(flush)))
  return {
    flush,
    get url() {
      return present().url
    }
  }
}

export { until }
export type JobId = Job.JobId

// ---- processes

export type Values = Parameters<typeof CoreConfig.layerWith>[0] & {
  /** Like `clockOffsetMillis`, read at every call, so that Redis's clock jumps with the test's (JumpingClock). */
  readonly clockOffset?: () => number
  /** KEY_PREFIX. */
  readonly keyPrefix?: Keys.Prefix
}
export type Services =
  | CallLedger.CallLedger
  | PartialText.PartialText
  | Policies.Policies
  | Replies.Replies
  | JobStore.JobStore
  | JobEnds.JobEnds
  | Mailbox.Mailbox
  | EventLog.EventLog
  | Topic.Topics
  | Keyspace
  | Lease.Lease
  | Timers.Timers
  | Schedules.Schedules
  | RedisClient.RedisClient
  | CoreConfig

export interface Process<S> {
  /** Runs an effect with this process's services. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, S>) => Effect.Effect<A, E>
  /** One Redis command; its failure is a defect. */
  readonly send: (command: string, ...args: ReadonlyArray<string | number | Buffer>) => Effect.Effect<unknown>
  /** Stops in order, as on SIGTERM. */
  readonly stop: Effect.Effect<void>
}

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const start = <S>(layer: Layer.Layer<S | RedisClient.RedisClient, unknown>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const memo = yield* Layer.makeMemoMap
    yield* Effect.addFinalizer(() => quietly(Scope.close(scope, Exit.void)))
    const context: Context.Context<S | RedisClient.RedisClient> = yield* Effect.orDie(
      Layer.buildWithMemoMap(layer, memo, scope)
    )
    return {
      run: <A, E1>(effect: Effect.Effect<A, E1, S>): Effect.Effect<A, E1> =>
        Effect.provideContext(effect as Effect.Effect<A, E1, S | RedisClient.RedisClient>, context).pipe(quietly),
      send: (command: string, ...args: ReadonlyArray<string | number | Buffer>) =>
        Effect.orDie(Context.get(context, RedisClient.RedisClient).send(command, ...args)),
      stop: quietly(Scope.close(scope, Exit.void))
    } satisfies Process<S>
  }).pipe(quietly)

/** The default LEASE of processes, milliseconds: short, so that a test can wait for its end. */
export const lease = 1_000
const configOf = ({ clockOffset, ...values }: Values) => {
  const fixed = CoreConfig.layerWith({ lease: Duration.millis(lease), shutdownGrace: Duration.millis(100), ...values })
  if (clockOffset === undefined) return fixed
  const jumping = (config: CoreConfig["Service"]) =>
    Object.defineProperty({ ...config }, "clockOffsetMillis", { get: clockOffset })
  return Layer.effect(CoreConfig, Effect.map(CoreConfig, jumping)).pipe(Layer.provide(fixed))
}
const ground = (url: string, values: Values) =>
  Layer.merge(
    RedisClient.layerUrl(url, values.keyPrefix === undefined ? {} : { keyPrefix: values.keyPrefix }),
    configOf(values)
  )

/** A process without work: it submits, reads, and runs single transitions. */
export const joined = (url: string, values: Values = {}): Effect.Effect<Process<Services>, never, Scope.Scope> =>
  start<Services>(
    Layer.mergeAll(Client.layer, Lease.layer, Timers.layer).pipe(Layer.provideMerge(ground(url, values)), Layer.fresh)
  )

/** A process that serves `behaviors`, like a worker. */
export const working = <E>(
  url: string,
  behaviors: Layer.Layer<never, E, Worker.Worker | Services>,
  values: Values = {}
): Effect.Effect<Process<Services | ActorSystem>, never, Scope.Scope> =>
  start<Services | ActorSystem>(
    behaviors.pipe(
      Layer.provideMerge(Worker.layer({ role: "test" })),
      Layer.provideMerge(Layer.merge(Lease.layer, Timers.layer)),
      Layer.provideMerge(ground(url, values)),
      Layer.fresh
    )
  )

// ---- the pipeline

export const Parcel = Schema.Struct({ weight: Schema.Finite, note: Schema.optionalKey(Schema.String) })
export const Weighed = Schema.Struct({ grams: Schema.Finite })
export const Labelled = Schema.Struct({ text: Schema.String })
export const Shipped = Schema.Struct({ tracking: Schema.String })

export const weigh = Stage.make("weigh", {
  needs: { input: Parcel },
  output: Weighed,
  progress: 30,
  readsImage: true,
  timeout: "20 seconds",
  concurrency: 20
})
export const label = Stage.make("label", {
  needs: { input: Parcel, weigh: Weighed },
  output: Labelled,
  progress: 60,
  concurrency: 20
})
export const ship = Stage.make("ship", { needs: { label: Labelled }, output: Shipped, progress: 100, concurrency: 20 })
export const ParcelPipeline = Pipeline.make("parcel", {
  input: Parcel,
  tags: ({ weight }) => (weight > 50 ? ["heavy"] : [])
})
  .add(weigh)
  .add(label)
  .add(ship)

export class ScaleBroken extends Schema.TaggedError<ScaleBroken>()("ScaleBroken", {}) {}

export type Weigh = Handler<typeof weigh.needs, typeof Weighed.Type, ScaleBroken, never>

/** All three stages; `weigh` as given, by default a working scale. */
export const parcelBehaviors = (
  options: {
    readonly weigh?: Weigh
    readonly retry?: Retry.Policy<ScaleBroken>
    readonly labelled?: (id: string) => void
  } = {}
) =>
  Layer.mergeAll(
    StageBehavior.layer(
      ParcelPipeline,
      "weigh",
      Effect.succeed<Weigh>(options.weigh ?? (({ input }) => Effect.succeed({ grams: input.weight * 1000 }))),
      options.retry === undefined ? {} : { retry: options.retry }
    ),
    StageBehavior.layer(
      ParcelPipeline,
      "label",
      Effect.succeed(({ weigh }, job) =>
        Effect.sync(() => {
          options.labelled?.(job.id)
          return { text: `${weigh.grams} g` }
        })
      )
    ),
    StageBehavior.layer(
      ParcelPipeline,
      "ship",
      Effect.succeed(({ label }) => Effect.succeed({ tracking: label.text }))
    )
  )

/** A submitted parcel's id. */
export const submit = (
  options: {
    readonly owner?: string | null
    readonly key?: string
    readonly image?: Uint8Array
    readonly weight?: number
  } = {}
) =>
  Effect.map(
    Pipeline.submit(
      ParcelPipeline,
      { weight: options.weight ?? 2 },
      {
        owner: options.owner === undefined ? "ann" : options.owner,
        key: options.key ?? null,
        ...(options.image === undefined ? {} : { image: options.image })
      }
    ),
    ({ id }) => id
  )

export const jobOf = (id: Job.JobId) =>
  Effect.gen(function* () {
    const job = yield* Effect.flatMap(JobStore.JobStore, (store) => store.get(id))
    if (job === null) return yield* Effect.die(new Error(`job ${id} is not there`))
    return job
  })
export const historyOf = (id: Job.JobId, after = 0) =>
  Effect.flatMap(EventLog.EventLog, (log) => log.history(id, after))
/** `stage/status` of each event, in order. */
export const toldOf = (id: Job.JobId) =>
  Effect.map(historyOf(id), (events) => events.map(({ stage, status }) => `${stage}/${status}`))
export const terminalsOf = (id: Job.JobId) =>
  Effect.map(historyOf(id), (events) => events.filter(JobEvent.isTerminal).map(({ stage }) => stage))

// ---- processes played by hand

const Entries = Schema.NullOr(
  Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))]))
)
let begins = 0

/** A live process of this name that does only what the test says. */
export const byHand = Effect.fnUntraced(function* (process: Process<Services>, name: string) {
  const { run } = process
  const { partitions } = yield* run(Keyspace)
  yield* run(Lease.Lease.use((lease) => Effect.orDie(lease.beat(name, "register"))))
  yield* Effect.forEach(ParcelPipeline.plan, ({ mailbox }) =>
    run(Mailbox.Mailbox.use((service) => Effect.orDie(service.ensure(mailbox))))
  )
  /** Reads everything that waits for a stage, without beginning it. */
  const read = Effect.fnUntraced(function* (stage: string) {
    const mailbox = `parcel.${stage}`
    const keys = partitions.map((partition) => partition.mailbox(mailbox))
    const found: Array<NonNullable<typeof Entries.Type>[number]> = []
    // one at a time, because on a Cluster a command has keys of one slot
    for (const key of keys) {
      const reply = yield* process.send("XREADGROUP", "GROUP", Mailbox.group, name, "COUNT", 100, "STREAMS", key, ">")
      found.push(...((yield* Effect.orDie(Schema.decodeUnknownEffect(Entries)(reply))) ?? []))
    }
    return found.flatMap(([key, entries]) =>
      entries.map(([entry, fields]): JobStore.Holding => {
        const id = fields[fields.indexOf("job") + 1] as Job.JobId
        return {
          partition: partitions[keys.indexOf(key)]!,
          mailbox,
          home: mailbox,
          stage,
          entry,
          id,
          token: `${name}:${begins++}`
        }
      })
    )
  })
  /** Reads the one entry that waits for a stage and begins it, even a suspect. */
  const take = Effect.fnUntraced(function* (stage: string) {
    const [holding] = yield* read(stage)
    if (holding === undefined) return yield* Effect.die(new Error(`nothing waits for ${stage}`))
    const begun = yield* run(begin(holding, "run"))
    if (begun._tag !== "Run") return yield* Effect.die(new Error(`${stage} was not begun: ${show(begun)}`))
    return holding
  })
  return { name, read, take }
})

export const begin = (holding: JobStore.Holding, turn: JobStore.Turn = "look") =>
  Effect.map(
    JobStore.JobStore.use((store) => Effect.orDie(store.begin([holding], [turn]))),
    ([begun]) => begun!
  )

const outputs: Readonly<Record<string, unknown>> = {
  weigh: { grams: 2000 },
  label: { text: "2000 g" },
  ship: { tracking: "2000 g" }
}
/** The commit that a working process would send for this stage. */
export const commitOf = (holding: JobStore.Holding, changes: Partial<JobStore.Commit> = {}): JobStore.Commit => {
  const at = ParcelPipeline.plan.findIndex(({ name }) => name === holding.stage)
  const step = ParcelPipeline.plan[at]!
  const next = ParcelPipeline.plan[at + 1]
  return {
    ...holding,
    output: JSON.stringify(outputs[step.name]),
    next: next === undefined ? null : { stage: next.name, mailbox: next.mailbox, keep: null },
    progress: step.progress,
    dropImage: step.image,
    tells: [],
    ...changes
  }
}
export const commit = (holding: JobStore.Holding, changes: Partial<JobStore.Commit> = {}) =>
  JobStore.JobStore.use((store) => Effect.orDie(store.commit(commitOf(holding, changes))))
/** Commits and keeps the job for its next stage, like a process with a free slot; `kept` is what it then holds. */
export const keep = Effect.fnUntraced(function* (holding: JobStore.Holding) {
  const next = ParcelPipeline.plan[ParcelPipeline.plan.findIndex(({ name }) => name === holding.stage) + 1]!
  const token = `${holding.token.split(":")[0]}:${begins++}`
  const kept: JobStore.Holding = { ...holding, stage: next.name, home: next.mailbox, token }
  const again = commit(holding, { next: { stage: next.name, mailbox: next.mailbox, keep: token } })
  return { outcome: (yield* again).outcome, kept, again }
})
export const defer = (
  holding: JobStore.Holding,
  options: { readonly delayMillis?: number; readonly giveBack?: boolean; readonly cause?: string } = {}
) => {
  const cause = options.cause ?? "ScaleBroken"
  return JobStore.JobStore.use((store) =>
    Effect.orDie(
      store.defer(holding, {
        delayMillis: options.delayMillis ?? 60_000,
        giveBack: options.giveBack ?? false,
        cause,
        event: cause === "" ? "" : JobEvent.openRetrying(holding.stage, 0, cause, 1)
      })
    )
  )
}
export const bury = (holding: JobStore.Holding, code = "ScaleBroken", rounds = 0) =>
  JobStore.JobStore.use((store) =>
    Effect.orDie(
      store.bury(holding, {
        failure: { code, message: "the scale is broken", stage: holding.stage, attempts: 1 },
        event: JobEvent.fragment({ stage: "failed", status: "failed", progress: 0, result: null }),
        rounds,
        retrying: JobEvent.openRetrying(holding.stage, 0, code, 1)
      })
    )
  )
/** A job with a history. */
export const eventful = (options: { readonly owner?: string } = {}) => Effect.tap(submit(options), cancel)
export const cancel = (id: Job.JobId) => JobStore.JobStore.use((store) => Effect.orDie(store.cancel(id)))
/** Serves all timers that are due by this process's clock; returns how many jobs failed at their deadline. */
export const promote = Effect.gen(function* () {
  const { partitions } = yield* Keyspace
  const timers = yield* Timers.Timers
  const mailboxes = ParcelPipeline.plan.map(({ mailbox }) => mailbox)
  let expired = 0
  for (const partition of partitions) {
    const promoted = yield* Effect.orDie(timers.promote(partition, mailboxes))
    for (const { jobs } of promoted.expired) expired += jobs
  }
  return expired
})
/** What another process takes over from a dead one. */
export const inherit = Effect.fnUntraced(function* (
  process: Process<Services>,
  dead: string,
  heir: string,
  stage: string
) {
  const { partitions } = yield* process.run(Keyspace)
  const mailbox = `parcel.${stage}`
  const holdings: Array<JobStore.Holding> = []
  for (const partition of partitions) {
    const { taken } = yield* process.run(
      Lease.Lease.use((lease) => Effect.orDie(lease.reap(partition, dead, heir, [[mailbox, 10]])))
    )
    for (const { entries } of taken) {
      for (const [entry, fields] of entries) {
        const id = fields![fields!.indexOf("job") + 1] as Job.JobId
        holdings.push({ partition, mailbox, home: mailbox, stage, entry, id, token: `${heir}:${begins++}` })
      }
    }
  }
  return holdings
})
/**
 * Consumers of a stage's mailbox in Redis, with the entries of each; in one partition, or in all. From Redis 7.2 and Valkey 8 on,
 * an empty read creates a consumer too.
 */
export const consumersOf = Effect.fnUntraced(function* (
  process: Process<Services>,
  mailbox: string,
  partition?: JobStore.Holding["partition"]
) {
  const { partitions } = yield* process.run(Keyspace)
  const held: Record<string, number> = {}
  for (const one of partition === undefined ? partitions : [partition]) {
    const reply = yield* process.send("XINFO", "CONSUMERS", one.mailbox(mailbox), Mailbox.group)
    for (const [, name, , pending] of yield* Effect.orDie(Schema.decodeUnknownEffect(Consumers)(reply))) {
      held[name] = (held[name] ?? 0) + pending
    }
  }
  return held
})
const Consumers = Schema.Array(
  Schema.TupleWithRest(Schema.Tuple([Schema.String, Schema.String, Schema.String, Schema.Int]), [Schema.Unknown])
)
/** Redis's clock, epoch milliseconds. */
export const timeOf = (process: { readonly send: (command: string) => Effect.Effect<unknown> }) =>
  Effect.map(process.send("TIME"), (reply) => {
    const [seconds = "", micros = ""] = Schema.decodeUnknownSync(Schema.Array(Schema.String))(reply)
    return Number(seconds) * 1000 + Number(micros) / 1000
  })
/** A bound of time that binds nothing. */
export const ever = Number.MAX_SAFE_INTEGER
/** The clock offset of this process's scripts, milliseconds. */
export const offset = Effect.map(CoreConfig, (config) => config.clockOffsetMillis)
/** Every key in Redis, sorted. */
export const keysOf = (process: Process<Services>) =>
  Effect.map(Effect.orDie(process.run(RedisClient.RedisClient.use((redis) => redis.scan("*")))), (keys) =>
    keys.toSorted()
  )
/** Entries of a mailbox not yet acknowledged. */
export const depthOf = (mailbox: string) =>
  Effect.map(
    Mailbox.Mailbox.use((service) => Effect.orDie(service.depths([mailbox]))),
    ([depth]) => depth!.entries
  )
/** The fields of a job's hash, with the fence parsed. */
export const hashOf = Effect.fnUntraced(function* (process: Process<Services>, id: Job.JobId) {
  const keyspace = yield* process.run(Keyspace)
  const reply = yield* process.send("HGETALL", keyspace.of(id).job(id))
  const flat = yield* Effect.orDie(Schema.decodeUnknownEffect(Schema.Array(Schema.String))(reply))
  return JobHash.expand(Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]!]] : []))))
})
/** Sets a waiting job's record of crashes (A2), as if as many processes had died while it ran. */
export const suspect = Effect.fnUntraced(function* (process: Process<Services>, id: Job.JobId, record: number) {
  const keyspace = yield* process.run(Keyspace)
  const key = keyspace.of(id).job(id)
  const fence = String(yield* process.send("HGET", key, "now"))
  yield* process.send("HSET", key, "now", JobHash.fenceWith(fence, { deliveries: String(record), by: "-" }))
})
/** The dead letters of a mailbox, each as its fields. */
export const lettersOf = Effect.fnUntraced(function* (process: Process<Services>, mailbox: string) {
  const { partitions } = yield* process.run(Keyspace)
  const letters: Array<Readonly<Record<string, string>>> = []
  for (const partition of partitions) {
    const reply = yield* process.send("XRANGE", partition.dead(mailbox), "-", "+")
    for (const [, fields] of yield* Effect.orDie(Schema.decodeUnknownEffect(Letters)(reply))) {
      letters.push(Object.fromEntries(fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1]!]] : []))))
    }
  }
  return letters
})
const Letters = Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))
