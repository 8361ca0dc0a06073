/**
 * The job's state machine against its model: thousands of random histories, compared after every step. A failure prints its
 * seed and the shortest history that still shows it; MODEL_SEED plays from another seed (the first case has it, each
 * further case one more), MODEL_CASES how many. MODEL_TALLY=1 shows which answers were reached how often.
 */
import { beforeAll, describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomInt } from "node:crypto"
import * as Fleet from "../../CoreFixture.ts"
import { size } from "../../../harness/Long.ts"
import * as Play from "./JobPlay.ts"
import type { Failure, Tally } from "./JobPlay.ts"

const seed = Number(process.env.MODEL_SEED ?? randomInt(1_000_000_000))
const cases = size("MODEL_CASES", { short: 500, long: 20_000 })
/** Cases at once, each in a partition of its own. */
const lanes = 32

const redis = Fleet.privateRedis({}, { emptied: false })

const playAll = Effect.gen(function* () {
  const process = yield* Fleet.joined(redis.url, { partitions: lanes })
  const stage = yield* Play.stageOn(process)
  const free = [...stage.partitions]
  const failures: Array<Failure> = []
  yield* Effect.forEach(
    Array.from({ length: cases }, (_, i) => seed + i),
    (seed) =>
      Effect.gen(function* () {
        if (failures.length >= 3) return
        const partition = free.pop()!
        const moves = Play.movesOf(seed)
        const failure = yield* Play.play(stage, partition, seed, moves)
        if (failure !== null) failures.push(yield* Play.shrink(stage, partition, failure, moves))
        free.push(partition)
      }),
    { concurrency: lanes, discard: true }
  )
  return { failures, tally: stage.tally }
}).pipe(Effect.scoped)

describe("a job's state machine", () => {
  let failures: ReadonlyArray<Failure> = []
  let tally: Tally = { steps: 0, answers: new Map() }

  beforeAll(async () => {
    const started = performance.now()
    const played = await Effect.runPromise(playAll)
    failures = played.failures
    tally = played.tally
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    console.info(`MODEL_SEED=${seed}: ${cases} cases, ${tally.steps} steps compared in ${seconds} s`)
    if (process.env.MODEL_TALLY)
      console.info(
        Array.from(tally.answers, ([kind, n]) => `${kind}: ${n}`)
          .toSorted()
          .join("\n")
      )
  }, 2_700_000)

  const shown = (wanted: (wrong: string) => boolean) =>
    failures
      .filter(({ wrong }) => wrong.some(wanted))
      .map(({ operations, seed, wrong }) =>
        [`MODEL_SEED=${seed} MODEL_CASES=1`, ...operations.map((line, i) => `${i}. ${line}`), ...wrong].join("\n")
      )
      .join("\n\n")

  it("the scripts do what the model does: states, fences, counters, mailboxes, timers, lanes, letters, events", () => {
    expect(shown(() => true)).toBe("")
  })

  for (const [number, claim] of [
    ["J1", "every job is in one place while open, has one terminal event a run, and healthy workers end them all"],
    ["J2", "no committed stage runs again, whoever begins what and when"],
    ["J3", "checkpoints and the events that tell of them are the same at every moment"],
    ["J4", "seq rises by one; history and live stream tell the same"],
    ["J5", "whoever sees done can read every checkpoint"],
    ["J6", "the same user and key is one job, with the body it came with"],
    ["J7", "a cancelled job runs no further stage"],
    ["A1", "an entry leaves a mailbox by acknowledgement only; no held entry is lost to a reaper"],
    ["A2", "a job whose begins never came to a result is a suspect, and a look alone does not begin it"],
    ["limit", "no user runs more jobs than the limit, and none waits in vain"]
  ] as const) {
    it(`${number} ${claim}`, () => {
      expect(shown((wrong) => wrong.startsWith(number))).toBe("")
    })
  }

  it("the random plays reach every answer of every transition", () => {
    const reached = (kind: string) => tally.answers.get(kind) ?? 0
    for (const kind of cases < 1_000 ? [] : answers) expect(reached(kind), kind).toBeGreaterThan(0)
  })
})

const answers = [
  ...["created", "exists", "IdempotencyConflict", "MailboxFull", "LaneFull", "UploadGone"].map((a) => `submit ${a}`),
  ...["run", "suspect", "dropped over", "dropped moved", "dropped rehomed", "dropped put off"].map((a) => `begin ${a}`),
  ...["committed", "kept", "ended", "lost", "gone"].map((a) => `commit ${a}`),
  ...["deferred", "lost"].map((a) => `defer ${a}`),
  ...["buried", "parked", "lost"].map((a) => `bury ${a}`),
  ...["cancelled", "already", "finished"].map((a) => `cancel ${a}`),
  ...["none expired:", "some expired:"].map((a) => `promote ${a}`),
  ...["redriven", "open"].map((a) => `redrive ${a}`)
]
