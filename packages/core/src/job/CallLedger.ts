/**
 * CallLedger: the record of a job's paid calls (of a model, or of any service that bills). A row is written before a call is
 * made, and its bill when the call has ended, so that no call is paid twice unknowingly.
 * Invariants:
 *   B1  every call that left a process has a row; while its bill is unknown the row is open, and an open row that nobody will
 *       close becomes uncertain: at the next call of the job, or when the call should have ended
 *   B2  a run of a job makes no call beyond its budget (MAX_PAID_ATTEMPTS, JOB_BUDGET), however many processes try it
 * The rows live as long as their job; the job's hash has their sums (`Job.spent`). Written by PaidCalls, in handlers.
 */
import { Context, Duration, Effect, Layer, Metric, Schema } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import type { JobId } from "./Job.ts"
import { movesJobs } from "./JobStore.ts"

/**
 * ok: billed, and the answer was used · billed-bad: billed, and the answer was of no use · free: not billed · uncertain: it may
 * be billed, because the call was cut, timed out or lost.
 */
export const Outcome = Schema.Literals(["ok", "billed-bad", "free", "uncertain"])
export type Outcome = typeof Outcome.Type

/** Units as the service counts them, 0 where it tells none; `cached` is a part of `input`, `reasoning` one of `output`. */
export const Usage = Schema.Struct({
  input: Schema.Int,
  cached: Schema.Int,
  output: Schema.Int,
  reasoning: Schema.Int
})
export type Usage = typeof Usage.Type

/** What a call has cost. */
export const Bill = Schema.Struct({
  outcome: Outcome,
  usage: Schema.optionalKey(Usage),
  /** Millionths of the currency of the prices; absent: no price is known. */
  cost: Schema.optionalKey(Schema.Int),
  /** The service's id of the request, for its support. */
  requestId: Schema.optionalKey(Schema.String),
  /** What went wrong, in a few words without secrets. */
  note: Schema.optionalKey(Schema.String)
})
export type Bill = typeof Bill.Type

/** The facts of a call, known before it is made. */
export const Call = Schema.Struct({
  stage: Schema.String,
  /** As the retry policy counts. */
  attempt: Schema.Int,
  /** Who bills it: a model's name. */
  service: Schema.String,
  /** Fingerprint of the request, such as the start of its SHA-256. */
  request: Schema.String
})
export type Call = typeof Call.Type

/** A row of the ledger. */
export interface Row extends Call {
  readonly id: string
  readonly outcome: Outcome | "open"
  /** The run of the job it belongs to. */
  readonly run: number
  /** Epoch milliseconds by Redis's clock. */
  readonly opened: number
  readonly closed: number | null
  /** Null while it is open or uncertain. */
  readonly bill: Bill | null
}

/** The attempt that makes calls: the holder of the job. */
export interface Holder {
  readonly partition: Partition
  readonly id: JobId
  readonly token: string
}

/** This run of the job has made as many paid calls as MAX_PAID_ATTEMPTS allows. Nothing happened; a redrive begins another run. */
export class CallBudgetSpent extends Schema.TaggedError<CallBudgetSpent>()("CallBudgetSpent", { calls: Schema.Int }) {
  override get message() {
    return `the job has made ${this.calls} paid calls already; see MAX_PAID_ATTEMPTS`
  }
}
/** The paid calls of this run have cost what JOB_BUDGET allows. Nothing happened; a redrive begins another run. */
export class JobBudgetSpent extends Schema.TaggedError<JobBudgetSpent>()("JobBudgetSpent", {
  unit: Schema.Literals(["cost", "tokens"]),
  /** Millionths of the currency, or tokens. */
  used: Schema.Int
}) {
  override get message() {
    const used = this.unit === "cost" ? String(this.used / 1_000_000) : `${this.used} tokens`
    return `the job's paid calls have cost ${used} already; see JOB_BUDGET`
  }
}
/** The attempt no longer holds the job: another process may run it. Nothing happened. */
export class AttemptOver extends Schema.TaggedError<AttemptOver>()("AttemptOver", {}) {
  override get message() {
    return "the attempt no longer holds its job"
  }
}

export class CallLedger extends Context.Service<
  CallLedger,
  {
    /**
     * Records a call that is about to be made; returns the row's id. `number`: of the call within the attempt; a repeat is one
     * row. `lasts`: an open row becomes uncertain after it. One round trip.
     * CallBudgetSpent, JobBudgetSpent, AttemptOver: no row, and the call must not be made. RedisError: unknown; make no call.
     */
    readonly open: (
      holder: Holder,
      number: number,
      call: Call,
      lasts: Duration.Duration
    ) => Effect.Effect<string, CallBudgetSpent | JobBudgetSpent | AttemptOver | RedisError>
    /** Records the bills of calls. A bill that came is never replaced, but it replaces `uncertain`. One round trip. */
    readonly close: (
      holder: Holder,
      bills: ReadonlyArray<{ readonly id: string; readonly service: string; readonly bill: Bill }>
    ) => Effect.Effect<void, RedisError>
    /** The rows of a job, oldest first; empty when it made no call or is gone. */
    readonly rows: (id: JobId) => Effect.Effect<ReadonlyArray<Row>, RedisError>
  }
>()("@eco2/core/job/CallLedger") {}

/** Preludes of every script that reads or writes rows. */
export const keepsLedger: ReadonlyArray<URL> = [...movesJobs, new URL("./scripts/calls.lua", import.meta.url)]

const script = <A>(name: string, reply: Schema.ConstraintDecoder<A>) =>
  Script.make({
    file: new URL(`./scripts/${name}.lua`, import.meta.url),
    preludes: keepsLedger,
    numberOfKeys: "root",
    reply
  })
const openScript = script(
  "open-call",
  Schema.TupleWithRest(Schema.Tuple([Schema.Literals(["open", "calls", "cost", "tokens", "over"]), Schema.Number]), [
    Schema.String
  ])
)
const closeScript = script("close-calls", Schema.Array(Schema.Literals(["closed", "again", "gone"])))

const readCall = Schema.decodeUnknownOption(Schema.fromJsonString(Call))
const readBill = Schema.decodeUnknownOption(Schema.fromJsonString(Bill))
const Flat = Schema.Array(Schema.String)
const stored = /^(\S+) (\S+) (\S+) (\d+) (\d+) (\S+) ([^\n]*)(?:\n([^]*))?$/
const isOutcome = Schema.is(Schema.Union([Outcome, Schema.Literal("open")]))

/** The number of a call within its attempt, by the row's id; orders calls that were opened within one millisecond. */
const numberOf = (id: string): number => Number(id.slice(id.lastIndexOf("#") + 1))

const rowOf = (id: string, text: string): Row | null => {
  const [, outcome, , , run, opened, closed = "-", call, bill] = stored.exec(text) ?? []
  const facts = readCall(call)
  if (!isOutcome(outcome) || facts._tag === "None") return null
  const known = bill === undefined ? undefined : readBill(bill)
  return {
    ...facts.value,
    id,
    outcome,
    run: Number(run),
    opened: Number(opened),
    closed: closed === "-" ? null : Number(closed),
    bill: known?._tag === "Some" ? known.value : null
  }
}

/** Says that calls became uncertain: each may have been billed for nothing. `calls`: the facts as stored. */
export const reportUncertain = (id: string, calls: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.forEach(
    calls,
    (text) => {
      const facts = readCall(text)
      const call = facts._tag === "Some" ? facts.value : null
      return Effect.andThen(
        Metric.update(
          Metric.withAttributes(Metrics.paidCalls, { service: call?.service ?? "", outcome: "uncertain" }),
          1
        ),
        Effect.logWarning("a paid call was lost; it may have been billed").pipe(
          Effect.annotateLogs({ job_id: id, ...call })
        )
      )
    },
    { discard: true }
  )

export const layer: Layer.Layer<CallLedger, never, RedisClient | Keyspace | CoreConfig> = Layer.effect(
  CallLedger,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const { clockOffsetMillis, jobBudget, maxPaidAttempts } = yield* CoreConfig
    const mostCost = jobBudget !== null && "cost" in jobBudget ? jobBudget.cost : 0
    const mostTokens = jobBudget !== null && "tokens" in jobBudget ? jobBudget.tokens : 0
    const decodeFlat = decodeReply("HGETALL", Flat)
    return CallLedger.of({
      open: Effect.fnUntraced(function* ({ id, partition, token }, number, call, lasts) {
        const [verdict, used, ...doubted] = yield* redis.run(
          openScript,
          [partition.root],
          [
            clockOffsetMillis,
            id,
            token,
            number,
            Math.ceil(Duration.toMillis(lasts)),
            maxPaidAttempts,
            mostCost,
            mostTokens,
            JSON.stringify(call)
          ]
        )
        yield* reportUncertain(id, doubted)
        switch (verdict) {
          case "open":
            return `${token}#${number}`
          case "calls":
            return yield* new CallBudgetSpent({ calls: used })
          case "cost":
          case "tokens":
            return yield* new JobBudgetSpent({ unit: verdict, used })
          case "over":
            return yield* new AttemptOver()
        }
      }),
      close: Effect.fnUntraced(function* ({ id, partition }, bills) {
        const answers = yield* redis.run(
          closeScript,
          [partition.root],
          [
            clockOffsetMillis,
            id,
            ...bills.flatMap(({ bill, id: call }) => [
              call,
              bill.outcome,
              bill.cost ?? "-",
              (bill.usage?.input ?? 0) + (bill.usage?.output ?? 0),
              JSON.stringify(bill)
            ])
          ]
        )
        for (const [i, { bill, service }] of bills.entries()) {
          if (answers[i] !== "closed") continue
          const labels = { service, outcome: bill.outcome }
          yield* Metric.update(Metric.withAttributes(Metrics.paidCalls, labels), 1)
          if (bill.cost !== undefined) {
            yield* Metric.update(Metric.withAttributes(Metrics.paidCost, { service }), bill.cost / 1_000_000)
          }
        }
      }),
      rows: Effect.fnUntraced(function* (id) {
        const flat = yield* redis.send("HGETALL", keyspace.of(id).jobCalls(id)).pipe(Effect.flatMap(decodeFlat))
        const rows: Array<Row> = []
        for (let i = 0; i + 1 < flat.length; i += 2) {
          const row = flat[i]!.startsWith("c:") ? rowOf(flat[i]!.slice(2), flat[i + 1]!) : null
          if (row !== null) rows.push(row)
        }
        return rows.sort((a, b) => a.opened - b.opened || numberOf(a.id) - numberOf(b.id))
      })
    })
  })
)
