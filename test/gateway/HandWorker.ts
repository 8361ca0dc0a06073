/**
 * HandWorker: a scan worker that the test controls step by step: it begins, commits, defers or buries a job's stage exactly when
 * the test says so, through the same scripts as a real one. So the test decides what viewers see.
 */
import { CallLedger, Client, CoreConfig, Fence, Job, JobEvent, JobStore, PartialText } from "@eco2/core"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { ScanPipeline } from "@eco2/actors/protocol"
import { Duration, Effect, Layer, ManagedRuntime, Schema } from "effect"
import { randomUUID } from "node:crypto"

/** What a scan worker would have stored, by stage. */
export const outputs: Readonly<Record<string, unknown>> = {
  vision: {
    result: {
      classification: { major_category: "재활용폐기물", middle_category: "종이", minor_category: "신문지" },
      situation_tags: [],
      meta: { user_input: "?" }
    },
    use: { provider: "simulated", model: "simulated", simulated: true }
  },
  rule: null,
  answer: {
    answer: { disposal_steps: { 단계1: "묶습니다." }, insufficiencies: [], user_answer: "묶어서 냅니다." },
    use: null
  },
  reward: { name: "페이피", dialog: "안녕", match_reason: "종이>신문지", type: "종이" }
}

const isJobId = Schema.decodeUnknownSync(Job.JobId)

export interface HandWorker {
  /** Begins the job's current stage. */
  readonly begin: (id: string) => Promise<JobStore.Holding>
  /** Commits a begun stage, with `done` after the last; `output`: instead of a scan worker's. */
  readonly commit: (holding: JobStore.Holding, output?: unknown) => Promise<void>
  /** Both, for the next `stages` stages; all by default. */
  readonly work: (id: string, stages?: number) => Promise<void>
  /** Returns a begun stage to its mailbox at once, so that it can begin anew. */
  readonly handBack: (holding: JobStore.Holding) => Promise<void>
  /** Shows viewers what the begun stage has written so far, as a handler's `emit` does. `begins`: the number of the begin. */
  readonly writer: (holding: JobStore.Holding, begins: number) => Promise<PartialText.Writer>
  /** Records a paid call of the begun stage; without a bill it stays open. */
  readonly pay: (
    holding: JobStore.Holding,
    call: { readonly service: string; readonly bill?: CallLedger.Bill }
  ) => Promise<void>
  readonly putOff: (holding: JobStore.Holding, code: string) => Promise<void>
  readonly giveUp: (holding: JobStore.Holding, code: string) => Promise<void>
  /** Redrives a failed job, as an operator does. */
  readonly redrive: (id: string) => Promise<void>
  /** Makes the job's hash unreadable. */
  readonly spoil: (id: string) => Promise<void>
  /** One Redis command. */
  readonly send: (command: string, ...args: ReadonlyArray<string | number>) => Promise<unknown>
  /** Names of the job's keys. */
  readonly keys: (id: string) => Promise<{ readonly job: string; readonly events: string; readonly tail: string }>
  readonly stop: () => Promise<void>
}

export const start = async (redisUrl: string): Promise<HandWorker> => {
  let calls = 0
  const runtime = ManagedRuntime.make(
    Client.layer.pipe(
      Layer.provideMerge(RedisClient.layerUrl(redisUrl)),
      Layer.provide(CoreConfig.layerWith({})),
      Layer.fresh
    )
  )
  const store = <A, E>(use: (service: JobStore.JobStore["Service"]) => Effect.Effect<A, E>) =>
    runtime.runPromise(Effect.flatMap(JobStore.JobStore, use))
  const send = (command: string, ...args: ReadonlyArray<string | number>) =>
    runtime.runPromise(RedisClient.RedisClient.use((redis) => redis.send(command, ...args)))
  const partitionOf = (id: string) => runtime.runPromise(Effect.map(Keyspace, (keyspace) => keyspace.of(id)))

  const begin = async (id: string): Promise<JobStore.Holding> => {
    const partition = await partitionOf(id)
    const fence = Fence.split(String(await send("HGET", partition.job(id), "now")))
    if (fence === null) throw new Error(`job ${id} is not there`)
    const { at: stage, cur: current } = fence
    const colon = current.lastIndexOf(":")
    const holding = {
      partition,
      id: isJobId(id),
      stage,
      home: `${ScanPipeline.name}.${stage}`,
      mailbox: current.slice(0, colon),
      entry: current.slice(colon + 1),
      token: randomUUID()
    }
    const [begun] = await store((service) => service.begin([holding]))
    if (begun?._tag !== "Run") throw new Error(`${stage} was not begun: ${begun?._tag}`)
    return holding
  }
  const commit = async (holding: JobStore.Holding, output: unknown = outputs[holding.stage]) => {
    const at = ScanPipeline.plan.findIndex(({ name }) => name === holding.stage)
    const next = ScanPipeline.plan[at + 1]
    const progress = ScanPipeline.plan[at]?.progress ?? 0
    const { outcome } = await store((service) =>
      service.commit({
        ...holding,
        output: JSON.stringify(output),
        next: next === undefined ? null : { stage: next.name, mailbox: next.mailbox, keep: null },
        progress,
        dropImage: holding.stage === "vision",
        tells: []
      })
    )
    if (outcome !== "committed" && outcome !== "ended")
      throw new Error(`${holding.stage} was not committed: ${outcome}`)
  }
  return {
    begin,
    commit,
    work: async (id, stages = ScanPipeline.plan.length) => {
      for (let n = 0; n < stages; n++) await commit(await begin(id))
    },
    handBack: async (holding) => {
      await store((service) => service.defer(holding, { delayMillis: 0, giveBack: true, cause: "", event: "" }))
    },
    writer: (holding, begins) =>
      runtime.runPromise(
        PartialText.PartialText.use((partials) =>
          Effect.succeed(partials.writer({ ...holding, begins, attempt: begins - 2 }))
        )
      ),
    pay: (holding, { bill, service }) =>
      runtime.runPromise(
        CallLedger.CallLedger.use((ledger) =>
          Effect.gen(function* () {
            const call = { stage: holding.stage, attempt: 1, service, request: "5f1c" }
            const id = yield* ledger.open(holding, calls++, call, Duration.minutes(1))
            if (bill !== undefined) yield* ledger.close(holding, [{ id, service, bill }])
          })
        )
      ),
    putOff: async (holding, code) => {
      await store((service) =>
        service.defer(holding, {
          delayMillis: 60_000,
          giveBack: false,
          cause: code,
          event: JobEvent.openRetrying(holding.stage, 0, code, 1)
        })
      )
    },
    giveUp: async (holding, code) => {
      await store((service) =>
        service.bury(holding, {
          failure: { code, message: "it cannot heal", stage: holding.stage, attempts: 1 },
          event: JobEvent.fragment({ stage: "failed", status: "failed", progress: 0, result: null }),
          rounds: 0,
          retrying: ""
        })
      )
    },
    redrive: async (id) => {
      const outcome = await store((service) => service.redrive(isJobId(id)))
      if (outcome !== "redriven") throw new Error(`${id} was not redriven: ${outcome}`)
    },
    spoil: async (id) => {
      await send("HSET", (await partitionOf(id)).job(id), "now", "of another make")
    },
    send,
    keys: async (id) => {
      const partition = await partitionOf(id)
      return { job: partition.job(id), events: partition.jobEvents(id), tail: partition.events }
    },
    stop: () => runtime.dispose()
  }
}
