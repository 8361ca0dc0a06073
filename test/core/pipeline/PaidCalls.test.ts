/**
 * The ledger of paid calls: every call that leaves has a row, its bill or the word that it is uncertain (B1), and a run of a job
 * makes no call beyond its budget (B2).
 */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Schedule, Schema } from "effect"
import { CallLedger, JobStore, PaidCalls, Pipeline, Retry, Stage, StageBehavior } from "@eco2/core"
import * as Timers from "../../../packages/core/src/worker/Timers.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()

const Text = Schema.String
const only = Stage.make("only", { needs: { input: Text }, output: Text, progress: 100, timeout: "20 seconds" })
const Paid = Pipeline.make("paid", { input: Text }).add(only)
const submitted = Effect.map(Pipeline.submit(Paid, "hello", { owner: "ann", key: null }), ({ id }) => id)

class AnswerUseless extends Schema.TaggedError<AnswerUseless>()("AnswerUseless", {}) {}
type Errors = AnswerUseless | PaidCalls.NotMade

const usage = { input: 100, cached: 40, output: 20, reasoning: 5 }
const bill = (exit: Exit.Exit<unknown, unknown>): CallLedger.Bill =>
  Exit.isSuccess(exit)
    ? { outcome: "ok", usage, cost: 1_500, requestId: "req_1" }
    : { outcome: "billed-bad", usage, cost: 1_500, note: "not JSON" }
const call = { service: "writer-1", request: "abc", lasts: "1 minute", bill } as const

const serving = (
  handler: (job: StageBehavior.StageJob) => Effect.Effect<string, Errors>,
  values: Fleet.Values = {},
  retry: Retry.Policy<Errors> = Retry.policy<Errors>({
    never: ["CallBudgetSpent", "JobBudgetSpent"],
    otherwise: Schedule.spaced(Duration.millis(5))
  })
) =>
  Fleet.working(
    redis.url,
    StageBehavior.layer(
      Paid,
      "only",
      Effect.succeed((_, job) => handler(job)),
      { retry }
    ),
    values
  )
const facts = { stage: "weigh", attempt: 1, service: "s", request: "a" } as const
/** A job that a process holds, and the ledger, to open and close rows by hand. */
const heldByHand = Effect.gen(function* () {
  const client = yield* Fleet.joined(redis.url)
  const hand = yield* Fleet.byHand(client, "victim")
  const id = yield* client.run(Fleet.submit())
  const holding = yield* hand.take("weigh")
  const { close, open } = yield* client.run(CallLedger.CallLedger)
  return { client, id, holding, close, open }
})
const rowsOf = (id: Fleet.JobId) => CallLedger.CallLedger.use((ledger) => Effect.orDie(ledger.rows(id)))
const outcomes = (rows: ReadonlyArray<CallLedger.Row>) => rows.map(({ outcome }) => outcome)

describe("the ledger of a job's paid calls", () => {
  it.live("B1 a call has a row before it leaves, and its bill when the job ends", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const during = yield* Deferred.make<ReadonlyArray<CallLedger.Row>>()
      const worker = yield* serving((job) =>
        job.pay(
          call,
          client.run(rowsOf(job.id)).pipe(
            Effect.flatMap((rows) => Deferred.succeed(during, rows)),
            Effect.as("written")
          )
        )
      )
      const id = yield* worker.run(submitted)
      expect(yield* Deferred.await(during)).toMatchObject([
        { service: "writer-1", request: "abc", stage: "only", attempt: 1, run: 1, outcome: "open", closed: null }
      ])
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(yield* worker.run(rowsOf(id))).toMatchObject([
        { outcome: "ok", bill: { outcome: "ok", usage, cost: 1_500, requestId: "req_1" } }
      ])
      expect(job.spent).toEqual({
        ok: 1,
        billedBad: 0,
        uncertain: 0,
        open: 0,
        free: 0,
        cost: 1_500,
        tokens: 120,
        unpriced: 0
      })
    })
  )

  it.live("B1 a call inside a service, however deep, is recorded without the job being passed on", () =>
    Effect.gen(function* () {
      const worker = yield* serving(() =>
        Effect.flatMap(PaidCalls.PaidCalls, (calls) => calls.make(call, Effect.succeed("deep")))
      )
      const id = yield* worker.run(submitted)
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(outcomes(yield* worker.run(rowsOf(id)))).toEqual(["ok"])
    })
  )

  it.live("B1 a call outside a stage is made, without a record", () =>
    Effect.gen(function* () {
      const calls = yield* PaidCalls.PaidCalls
      expect(yield* calls.make(call, Effect.succeed("made"))).toBe("made")
    })
  )

  it.live("B1 a billed answer of no use is a row of its attempt, and the retry's call another", () =>
    Effect.gen(function* () {
      const worker = yield* serving((job) =>
        job.pay(call, job.attempt === 1 ? Effect.fail(new AnswerUseless()) : Effect.succeed("written"))
      )
      const id = yield* worker.run(submitted)
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      const rows = yield* worker.run(rowsOf(id))
      expect(rows.map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
        [1, "billed-bad"],
        [2, "ok"]
      ])
    })
  )

  it.live("B1 a free call leaves no row and spends no budget, but is counted", () =>
    Effect.gen(function* () {
      const free = { ...call, bill: () => ({ outcome: "free" as const }) }
      const worker = yield* serving(
        (job) =>
          job.attempt <= 3 ? job.pay(free, Effect.fail(new AnswerUseless())) : job.pay(call, Effect.succeed("written")),
        { maxPaidAttempts: 1 }
      )
      const id = yield* worker.run(submitted)
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(outcomes(yield* worker.run(rowsOf(id)))).toEqual(["ok"])
      expect(job.spent).toMatchObject({ ok: 1, free: 3 })
    })
  )

  it.live("B1 A3 a call that the stage's time-out cuts is uncertain", () =>
    Effect.gen(function* () {
      const hasty = Stage.make("hasty", { needs: { input: Text }, output: Text, progress: 100, timeout: "80 millis" })
      const Hasty = Pipeline.make("hasty", { input: Text }).add(hasty)
      const worker = yield* Fleet.working(
        redis.url,
        StageBehavior.layer(
          Hasty,
          "hasty",
          Effect.succeed((_, job) => (job.attempt === 1 ? job.pay(call, Effect.never) : Effect.succeed("written")))
        )
      )
      const { id } = yield* worker.run(Pipeline.submit(Hasty, "x", { owner: null, key: null }))
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(yield* worker.run(rowsOf(id))).toMatchObject([{ outcome: "uncertain", bill: { note: "interrupted" } }])
    })
  )

  it.live("B1 a call of a process that died is uncertain once the job makes its next call", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const victim = yield* Fleet.byHand(client, "victim")
      const id = yield* client.run(Fleet.submit())
      const holding = yield* victim.take("weigh")
      yield* client.run(
        CallLedger.CallLedger.use((ledger) =>
          ledger.open(holding, 1, { stage: "weigh", attempt: 1, service: "writer-1", request: "a" }, Duration.hours(1))
        )
      )
      const heir = { ...holding, token: "heir:1" }
      yield* client.run(JobStore.JobStore.use((store) => store.begin([heir], ["run"])))
      // the heir does not hold the entry, so the job is still the victim's: nothing may be opened in its name
      const refused = yield* client.run(
        Effect.flip(
          CallLedger.CallLedger.use((ledger) =>
            ledger.open(heir, 1, { stage: "weigh", attempt: 1, service: "writer-1", request: "a" }, Duration.hours(1))
          )
        )
      )
      expect(refused._tag).toBe("AttemptOver")
      expect(outcomes(yield* client.run(rowsOf(id)))).toEqual(["open"])
      const again = { ...holding, token: "victim:again" }
      yield* client.run(JobStore.JobStore.use((store) => store.begin([again], ["run"])))
      yield* client.run(
        CallLedger.CallLedger.use((ledger) =>
          ledger.open(again, 1, { stage: "weigh", attempt: 1, service: "writer-1", request: "a" }, Duration.hours(1))
        )
      )
      expect(outcomes(yield* client.run(rowsOf(id)))).toEqual(["uncertain", "open"])
    })
  )

  it.live("B1 a call of a dead process whose job never calls again is uncertain when it should have ended", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const victim = yield* Fleet.byHand(client, "victim")
      const id = yield* client.run(Fleet.submit())
      const holding = yield* victim.take("weigh")
      yield* client.run(
        CallLedger.CallLedger.use((ledger) =>
          ledger.open(
            holding,
            1,
            { stage: "weigh", attempt: 1, service: "writer-1", request: "a" },
            Duration.millis(50)
          )
        )
      )
      // any process that serves timers
      const { partition } = holding
      const promoted = Effect.orDie(Timers.Timers.use((timers) => timers.promote(partition, [])))
      yield* Fleet.until(client.run(promoted), ({ doubted }) => doubted.length === 1)
      const rows = yield* client.run(rowsOf(id))
      expect(outcomes(rows)).toEqual(["uncertain"])
      expect((yield* client.run(Fleet.jobOf(id))).spent).toMatchObject({ uncertain: 1, open: 0 })
    })
  )

  it.live("B1 a bill that comes late replaces the doubt, and no later bill replaces it", () =>
    Effect.gen(function* () {
      const { client, close, holding, id, open } = yield* heldByHand
      const row = yield* open(holding, 1, facts, Duration.hours(1))
      const closing = (closed: CallLedger.Bill) => close(holding, [{ id: row, service: "s", bill: closed }])
      yield* closing({ outcome: "uncertain" })
      yield* closing({ outcome: "ok", usage, cost: 7 })
      yield* closing({ outcome: "billed-bad", cost: 9 })
      expect(yield* client.run(rowsOf(id))).toMatchObject([{ outcome: "ok", bill: { cost: 7 } }])
    })
  )

  it.live("B1 a bill that comes when the job is gone leaves no timer of its call", () =>
    Effect.gen(function* () {
      const { client, close, holding, id, open } = yield* heldByHand
      const row = yield* open(holding, 1, facts, Duration.hours(1))
      const timersOf = client.send("ZRANGE", `${holding.partition.root}:timers`, 0, -1)
      expect(JSON.stringify(yield* timersOf)).toContain(row)
      yield* client.send("DEL", holding.partition.job(id), holding.partition.jobCalls(id))
      yield* close(holding, [{ id: row, service: "s", bill: { outcome: "uncertain" } }])
      expect(JSON.stringify(yield* timersOf)).not.toContain(row)
    })
  )

  it.live("B1 an open that is sent twice is one row", () =>
    Effect.gen(function* () {
      const { client, holding, id, open } = yield* heldByHand
      for (let n = 0; n < 2; n++) yield* open(holding, 1, facts, Duration.hours(1))
      expect(yield* client.run(rowsOf(id))).toHaveLength(1)
    })
  )

  it.live("the rows of an attempt's calls are in their order, even of calls made within one millisecond", () =>
    Effect.gen(function* () {
      const { client, holding, id, open } = yield* heldByHand
      const numbers = [1, 2, 3, 4, 5, 6]
      yield* Effect.forEach(numbers, (number) =>
        client.run(open(holding, number, { ...facts, request: `${number}` }, Duration.minutes(1)))
      )
      const key = holding.partition.jobCalls(id)
      for (const number of numbers) {
        const text = String(yield* client.send("HGET", key, `c:${holding.token}#${number}`))
        yield* client.send("HSET", key, `c:${holding.token}#${number}`, text.replace(/ \d{13} /, " 1700000000000 "))
      }
      const rows = yield* client.run(rowsOf(id))
      expect(rows.map(({ opened, request }) => [opened, Number(request)])).toEqual(
        numbers.map((number) => [1_700_000_000_000, number])
      )
    })
  )

  it.live("the rows of a job are gone when the job is", () =>
    Effect.gen(function* () {
      const worker = yield* serving((job) => job.pay(call, Effect.succeed("written")), {
        jobTtl: Duration.millis(300)
      })
      const id = yield* worker.run(submitted)
      yield* Fleet.until(worker.send("KEYS", `*${id}*`), (keys) => Array.isArray(keys) && keys.length > 0)
      yield* Fleet.until(worker.send("KEYS", `*${id}*`), (keys) => Array.isArray(keys) && keys.length === 0)
    })
  )
})

describe("the budget of a job", () => {
  it.live("B2 a run makes no more paid calls than MAX_PAID_ATTEMPTS, and says which bound ended it", () =>
    Effect.gen(function* () {
      let made = 0
      const worker = yield* serving(
        (job) =>
          job.pay(
            call,
            Effect.suspend(() => {
              made++
              return Effect.fail(new AnswerUseless())
            })
          ),
        { maxPaidAttempts: 3 }
      )
      const id = yield* worker.run(submitted)
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
      expect(made).toBe(3)
      expect(job.error).toMatchObject({ code: "CallBudgetSpent" })
      expect(job.spent).toMatchObject({ billedBad: 3 })
    })
  )

  it.live("B2 an operator's redrive opens another run with a budget of its own", () =>
    Effect.gen(function* () {
      let made = 0
      const worker = yield* serving(
        (job) =>
          job.pay(
            call,
            Effect.suspend(() => (++made <= 2 ? Effect.fail(new AnswerUseless()) : Effect.succeed("written")))
          ),
        { maxPaidAttempts: 2 }
      )
      const id = yield* worker.run(submitted)
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
      yield* worker.run(JobStore.JobStore.use((store) => store.redrive(id)))
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(job.spent).toMatchObject({ ok: 1, billedBad: 2 })
      expect((yield* worker.run(rowsOf(id))).map(({ run }) => run)).toEqual([1, 1, 2])
    })
  )

  it.live("B2 a run whose calls have cost JOB_BUDGET makes no further call, by money or by tokens", () =>
    Effect.gen(function* () {
      for (const [jobBudget, unit] of [
        [{ cost: 3_000 }, "cost"],
        [{ tokens: 240 }, "tokens"]
      ] as const) {
        let made = 0
        const worker = yield* serving(
          (job) =>
            job.pay(
              call,
              Effect.suspend(() => {
                made++
                return Effect.fail(new AnswerUseless())
              })
            ),
          { jobBudget }
        )
        const id = yield* worker.run(submitted)
        const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
        expect([unit, made]).toEqual([unit, 2])
        expect(job.error).toMatchObject({ code: "JobBudgetSpent" })
        yield* worker.stop
      }
    })
  )

  it.live("B2 a call of the same attempt counts before the attempt has ended", () =>
    Effect.gen(function* () {
      let made = 0
      const worker = yield* serving(
        (job) =>
          Effect.forever(
            job.pay(
              call,
              Effect.sync(() => void made++)
            )
          ),
        { maxPaidAttempts: 2 }
      )
      const id = yield* worker.run(submitted)
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
      expect(made).toBe(2)
    })
  )
})
