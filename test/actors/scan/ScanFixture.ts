/**
 * ScanFixture: a scan worker composed like its role, on a private Redis, with a model server on loopback; and a second process on
 * the same Redis with a clock half an hour ahead, which serves timers when the test asks: no test waits for a retry.
 */
import { afterAll, beforeAll, beforeEach } from "vitest"
import { CallLedger, Client, CoreConfig, EventLog, Job, JobStore, Pipeline, Worker } from "@eco2/core"
import type { ActorSystem, Mailbox, Policies, Replies, Topic } from "@eco2/core"
import { DeadLetters } from "@eco2/core/operations"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { Postgres } from "@eco2/core/postgres"
import { RedisServer } from "@eco2/core/testing"
import * as Timers from "../../../packages/core/src/worker/Timers.ts"
import { characterMatch } from "@eco2/actors/characters"
import { scanWorker } from "@eco2/actors/layers"
import { ScanPipeline, ScanResult } from "@eco2/actors/protocol"
import type { ScanRequest } from "@eco2/actors/protocol"
import { ConfigProvider, Context, Duration, Effect, Layer, ManagedRuntime, References, Schedule, Schema } from "effect"
import { characters } from "../../../packages/actors/src/domain/Character.ts"
import { FakeModelServer } from "../../harness/FakeModelServer.ts"
import { keyNames } from "../../harness/KeyNames.ts"

type Client =
  | CallLedger.CallLedger
  | DeadLetters.DeadLetters
  | JobStore.JobStore
  | Keyspace
  | EventLog.EventLog
  | RedisClient.RedisClient
  | Timers.Timers

const quiet = Layer.succeedContext(Context.make(References.MinimumLogLevel, "None"))

export const model = "gpt-5.2"

type Answering = ActorSystem | Mailbox.Mailbox | Policies.Policies | Replies.Replies | Topic.Topics
/** The thirteen characters, without a database. */
const builtIn = characterMatch({ meanwhile: characters }).pipe(
  Layer.provide(Layer.succeed(Postgres.Postgres, Postgres.absent))
)

/** The model server, the Redis and the second process: one set for each test file; `work` starts the worker. */
export const scanFixture = () => {
  let redis: RedisServer.RedisServer
  let models: FakeModelServer
  let early: ManagedRuntime.ManagedRuntime<Client, unknown>
  let ahead: ManagedRuntime.ManagedRuntime<Client, unknown>

  const client = (clockOffsetMillis: number) =>
    ManagedRuntime.make(
      Layer.merge(Layer.provideMerge(DeadLetters.layer, Client.layer), Timers.layer).pipe(
        Layer.provideMerge(RedisClient.layerUrl(redis.url)),
        Layer.provide(CoreConfig.layerWith({ clockOffsetMillis })),
        Layer.fresh
      )
    )
  beforeAll(async () => {
    redis = await RedisServer.start()
    models = await FakeModelServer.start()
    early = client(0)
    ahead = client(1_800_000)
  })
  beforeEach(() => models.reset())
  afterAll(async () => {
    await early.dispose()
    await ahead.dispose()
    await models.close()
    await redis.stop()
  })

  const run = <A, E>(effect: Effect.Effect<A, E, Client>) => early.runPromise(effect)
  const send = (command: string, ...args: ReadonlyArray<string | number>) =>
    run(RedisClient.RedisClient.use((service) => service.send(command, ...args)))
  const partitionOf = (id: Job.JobId) => run(Effect.map(Keyspace, (keyspace) => keyspace.of(id)))
  const jobOf = (id: Job.JobId) =>
    run(
      Effect.gen(function* () {
        const job = yield* JobStore.JobStore.use((store) => store.get(id))
        return job ?? (yield* Effect.die(new Error(`job ${id} is not there`)))
      })
    )
  const historyOf = (id: Job.JobId) => run(EventLog.EventLog.use((log) => log.history(id, 0)))
  /** Serves all timers, as if they were due, and ends all pauses of providers. */
  const promote = async () => {
    await send("DEL", keyNames.limit(`model/${model}`).state)
    await ahead.runPromise(
      Effect.gen(function* () {
        const { partitions } = yield* Keyspace
        const mailboxes = ScanPipeline.plan.map(({ mailbox }) => mailbox)
        for (const partition of partitions) yield* Timers.Timers.use((timers) => timers.promote(partition, mailboxes))
      })
    )
  }

  return {
    models: () => models,
    send,
    jobOf,
    historyOf,
    /** The dead letters of a mailbox that are the job's. */
    lettersOf: (mailbox: string, id: Job.JobId) =>
      run(
        Effect.map(
          DeadLetters.DeadLetters.use((letters) => letters.list(mailbox, { limit: 100 })),
          (letters) => letters.filter(({ jobId }) => jobId === id)
        )
      ),
    /** The rows of the job's ledger. */
    rowsOf: (id: Job.JobId) => run(CallLedger.CallLedger.use((ledger) => ledger.rows(id))),
    keyOfImage: async (id: Job.JobId) => (await partitionOf(id)).jobImage(id),
    /** A worker with these settings beside the usual ones, which also answers for the characters; the test stops it. */
    work: async (
      env: Readonly<Record<string, string>> = {},
      options: {
        readonly characters?: Layer.Layer<never, unknown, Answering>
        readonly core?: Parameters<typeof CoreConfig.layerWith>[0]
      } = {}
    ) => {
      const runtime = ManagedRuntime.make(
        Layer.merge(scanWorker, options.characters ?? builtIn).pipe(
          Layer.provide(Worker.layer({ role: "scan-worker" })),
          Layer.provide(RedisClient.layerUrl(redis.url)),
          Layer.provide(CoreConfig.layerWith({ shutdownGrace: Duration.millis(1), ...options.core })),
          Layer.provide(quiet),
          Layer.provide(
            ConfigProvider.layer(
              ConfigProvider.fromEnv({
                env: {
                  OPENAI_MODELS: model,
                  OPENAI_API_KEY: "sk-test",
                  OPENAI_BASE_URL: `${models.url}/v1`,
                  GEMINI_MODELS: "",
                  // the pictures' addresses here lead nowhere
                  FETCH_IMAGES: "false",
                  // retries that are minutes apart happen at once here
                  MODEL_BREAKER: "off",
                  // every scan here has the same photo, and asks anew
                  MODEL_REUSE: "off",
                  ...env
                }
              })
            )
          ),
          Layer.fresh
        )
      )
      await runtime.runPromise(Effect.void)
      return { stop: () => runtime.dispose() }
    },
    submit: async (request: Partial<ScanRequest> = {}, image?: Uint8Array, owner = "ann") =>
      run(
        Effect.map(
          Pipeline.submit(
            ScanPipeline,
            {
              image:
                image === undefined
                  ? { _tag: "Url", url: "https://images.example.com/bottle.jpg" }
                  : { _tag: "Bytes", mimeType: "image/png" },
              userInput: "어디에 버려요?",
              model,
              language: "ko",
              region: null,
              ...request
            },
            { owner, key: null, ...(image === undefined ? {} : { image }) }
          ),
          ({ id }) => id
        )
      ),
    /** Waits until the job is as wanted, without serving timers. */
    until: (id: Job.JobId, wanted: (job: Job.Job) => boolean) =>
      run(
        Effect.promise(() => jobOf(id)).pipe(
          Effect.repeat({ until: wanted, schedule: Schedule.spaced("5 millis") }),
          Effect.timeout("50 seconds")
        )
      ),
    /** Waits for the job's end, with every retry due at once; returns the result as clients read it. */
    finished: async (id: Job.JobId, within: Duration.Input = "50 seconds") => {
      const look = Effect.gen(function* () {
        const job = yield* Effect.promise(() => jobOf(id))
        if (job.state === "delayed" || job.state === "parked") yield* Effect.promise(promote)
        return job
      })
      const job = await run(
        look.pipe(
          Effect.repeat({ until: ({ state }) => Job.isOver(state), schedule: Schedule.spaced("5 millis") }),
          Effect.timeout(within)
        )
      )
      const result = await Effect.runPromise(ScanResult.ofJob(job))
      return Schema.decodeUnknownSync(ScanResult.ScanResult)(result)
    }
  }
}

/** `stage/status` of each event; for a retry also its code and attempt. */
export const told = (
  events: ReadonlyArray<{ readonly stage: string; readonly status: string; readonly result: unknown }>
) =>
  events.map(({ result, stage, status }) => {
    const facts = Object(result)
    return status === "retrying" ? `${stage}/${facts.code}/${facts.attempt}` : `${stage}/${status}`
  })
