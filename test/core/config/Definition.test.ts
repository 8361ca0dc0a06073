/** What code declares and can never work is refused when it is declared, with a sentence that names it. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Schedule as Repeat, Schema } from "effect"
import {
  Actor,
  BatchBehavior,
  Behavior,
  CircuitBreaker,
  CoreConfig,
  Definition,
  Limit,
  Pipeline,
  RateLimiter,
  Retry,
  Schedule,
  Stage,
  StageBehavior,
  Topic,
  Worker
} from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const Text = Schema.String
const good = { needs: { input: Text }, output: Text, progress: 50 }
const stage = (name: string, progress = 50) => Stage.make(name, { ...good, progress })
const empty = Pipeline.make("definitions", { input: Text })
const One = empty.add(stage("one"))
const Bell = Actor.make("bell", {
  Ring: Actor.tell({ payload: Text }),
  Heard: Actor.ask({ payload: Text, reply: Text })
})
const Post = Actor.make("post", { Letter: Actor.tell({ payload: Text }), Card: Actor.tell({ payload: Text }) })
const ring = { actor: Bell, type: "Ring", payload: () => "" } as const
const run = { pipeline: One, input: () => "" }
const nothing = Effect.succeed({ Letter: () => Effect.void, Card: () => Effect.void })
const batched = (options: Partial<Parameters<typeof BatchBehavior.layer>[2]>) =>
  BatchBehavior.layer(Post, nothing, { size: 10, within: "1 second", ...options })
const handled = Effect.succeed({ Ring: () => Effect.void, Heard: () => Effect.succeed("") })

/** Each with the beginning of its sentence. */
const refused: ReadonlyArray<readonly [make: () => unknown, sentence: string]> = [
  [() => stage("Vision"), `stage "Vision": its name is "Vision"; allowed is a word of a-z, 0-9 and -`],
  [() => stage("a b"), `stage "a b": its name`],
  [() => stage(""), `stage "": its name`],
  [() => stage("x".repeat(101)), `stage "${"x".repeat(101)}": its name`],
  ...["queued", "done", "failed", "cancelled", "error", "keepalive", "message", "open", "input", "constructor"].map(
    (name) =>
      [() => stage(name), `stage "${name}": its name is "${name}"; allowed is any word but queued, done`] as const
  ),
  [() => stage("s", 100 / 3), `stage "s": progress is 33.333333333333336; allowed is a whole number from 0 to 100`],
  ...[-1, 101, NaN, Infinity].map((bad) => [() => stage("s", bad), `stage "s": progress is ${bad}`] as const),
  ...([0, -1, "25 hours", Infinity, NaN, "soon"] as const).map(
    (bad) =>
      [
        () => Stage.make("s", { ...good, timeout: bad as "1 second" }),
        `stage "s": timeout is ${typeof bad === "string" ? `"${bad}"` : bad}; allowed is a duration of at least 1 milli`
      ] as const
  ),
  ...[0, 1.5, NaN, 100_001].map(
    (bad) => [() => Stage.make("s", { ...good, concurrency: bad }), `stage "s": concurrency is ${bad}`] as const
  ),
  [() => Pipeline.make("a.b", { input: Text }), `pipeline "a.b": its name`],
  [
    () => One.add(stage("one")),
    `pipeline "definitions": a stage added is "one"; allowed is a stage of a name that it does`
  ],
  [
    () => One.add(stage("two", 49)),
    `pipeline "definitions": progress of stage "two" is 49; allowed is at least the 50`
  ],
  [
    () =>
      One.add(Stage.make("two" as string, { ...good, needs: { three: Text } as Record<string, typeof Text> }) as never),
    `pipeline "definitions": what stage "two" reads is "three"; allowed is one of the stages before it, or input`
  ],
  [
    () =>
      Array.from({ length: 101 }).reduce<{ add: (stage: never) => never }>(
        (all, _, n) => all.add(stage(`s${n}`) as never),
        empty as never
      ),
    `pipeline "definitions": its number of stages is 101`
  ],
  [
    () =>
      StageBehavior.layer(
        One,
        "two",
        Effect.succeed(() => Effect.succeed(""))
      ),
    `handler of pipeline "definitions": its stage is "two"`
  ],
  [
    () =>
      StageBehavior.layer(
        One,
        "toString",
        Effect.succeed(() => Effect.succeed(""))
      ),
    `handler of pipeline "definitions": its stage`
  ],
  [() => Actor.make("Bell", { Ring: Bell.protocol.Ring }), `actor "Bell": its name`],
  [() => Actor.make("a b", { Ring: Bell.protocol.Ring }), `actor "a b": its name`],
  [() => Actor.make("user", { Ring: Bell.protocol.Ring }), `actor "user": its name`],
  [() => Actor.make("bell", {}), `actor "bell": its protocol is {}; allowed is at least one message`],
  [() => Actor.make("bell", { "a b": Bell.protocol.Ring }), `actor "bell": message "a b": its name`],
  [
    () => Actor.make("definitions.one", { Ring: Bell.protocol.Ring }),
    `actor "definitions.one": its mailbox is "definitions.one"; allowed is a mailbox of its own; a pipeline's stage has this one`
  ],
  [
    () => {
      Actor.make("definitions.taken", { Ring: Bell.protocol.Ring })
      return empty.add(stage("taken"))
    },
    `stage "definitions.taken": its mailbox is "definitions.taken"; allowed is a mailbox of its own; an actor has this one`
  ],
  ...[0, -1, 1.5, NaN].map(
    (bad) => [() => Behavior.layer(Bell, handled, { concurrency: bad }), `actor "bell": concurrency is ${bad}`] as const
  ),
  ...[0, 1_001, NaN].map((bad) => [() => batched({ size: bad }), `batches of actor "post": size is ${bad}`] as const),
  ...[-1, "2 hours", Infinity].map(
    (bad) => [() => batched({ within: bad as "1 hour" }), `batches of actor "post": within is`] as const
  ),
  [() => batched({ concurrency: 0 }), `batches of actor "post": concurrency is 0`],
  [() => Topic.make("a..b", { event: Text }), `topic "a..b": its name`],
  ...[0, -1, NaN, 0.5].map(
    (bad) => [() => Topic.make("t", { event: Text, history: bad }), `topic "t": history is ${bad}`] as const
  ),
  [() => Topic.make("t", { event: Text, fields: 0 }), `topic "t": fields is 0`],
  [() => Limit.make("a limit", {}), `limit "a limit": its name`],
  ...[0, -1, 1.5, NaN, Infinity].flatMap((bad) =>
    (["requests", "units", "permits"] as const).map(
      (field) => [() => Limit.make("l", { [field]: bad }), `limit "l": ${field} is ${bad}`] as const
    )
  ),
  [() => Limit.make("l", { requests: 5, burst: 6 }), `limit "l": burst is 6; allowed is a whole number from 1 to 5`],
  [() => Limit.make("l", { burst: 6 }), `limit "l": burst is 6; allowed is given with requests only`],
  ...[0, -1, Infinity].map((bad) => [() => Limit.make("l", { window: bad }), `limit "l": window is ${bad}`] as const),
  [() => CircuitBreaker.make("b b"), `breaker "b b": its name`],
  ...[0, NaN, 0.5].map(
    (bad) => [() => CircuitBreaker.make("b", { failures: bad }), `breaker "b": failures is ${bad}`] as const
  ),
  ...(["within", "openFor", "atMost", "probeFor"] as const).map(
    (field) => [() => CircuitBreaker.make("b", { [field]: 0 }), `breaker "b": ${field} is 0`] as const
  ),
  [
    () => CircuitBreaker.make("b", { openFor: "10 seconds", atMost: "5 seconds" }),
    `breaker "b": atMost is "5s"; allowed is at least its openFor of 10s`
  ],
  [
    () => Retry.policy<{ readonly _tag: "Down" }>({ never: ["Down"], byTag: { Down: Repeat.recurs(3) } }),
    `retry policy: never is "Down"; allowed is a tag without a rule in byTag or ends`
  ],
  [() => Retry.policy<{ readonly _tag: "Down" }>({ never: ["Down"], ends: ["Down"] }), `retry policy: never is "Down"`],
  [() => Schedule.every("Ticker!", { interval: "1 hour" }, run), `schedule "Ticker!": its name`],
  [
    () => Schedule.every("t", { interval: "5 millis" }, run),
    `schedule "t": interval is "5 millis"; allowed is a duration of at least 1 second`
  ],
  [
    () => Schedule.cron("t", { expression: "every monday" }, run),
    `schedule "t": expression is "every monday"; allowed is a cron expression`
  ],
  [
    () => Schedule.cron("t", { expression: "0 0 30 2 *" }, run),
    `schedule "t": expression is "0 0 30 2 *"; allowed is an expression of moments that come`
  ],
  [
    () => Schedule.cron("t", { expression: "0 0 * * *", timeZone: "Mars/Olympus" }, run),
    `schedule "t": timeZone is "Mars/Olympus"`
  ],
  [
    () => Schedule.every("t", { interval: "1 hour", overlap: "sometimes" as "skip" }, run),
    `schedule "t": overlap is "sometimes"; allowed is skip, allow`
  ],
  [
    () => Schedule.every("t", { interval: "1 hour" }, { pipeline: empty, input: () => "" }),
    `schedule "t": its pipeline is "definitions"; allowed is a pipeline with a stage`
  ],
  ...[0, Infinity].map(
    (bad) =>
      [
        () => Schedule.every("t", { interval: "1 hour" }, { ...run, deadline: bad }),
        `schedule "t": deadline is ${bad}`
      ] as const
  ),
  [
    () => Schedule.everyTell("t", { interval: "1 hour" }, { ...ring, type: "Heard" as "Ring" }),
    `schedule "t": its message is "Heard"; allowed is one that is told: Ring`
  ],
  ...([0, 1.5, NaN, 65] as const).map(
    (bad) =>
      [() => CoreConfig.layerWith({ partitions: bad }), `CoreConfig: partitions is ${bad}; allowed is a whole`] as const
  ),
  [
    () => CoreConfig.layerWith({ mailboxCapacity: 0 }),
    `CoreConfig: mailboxCapacity is 0; allowed is a whole number from 1`
  ],
  [
    () => CoreConfig.layerWith({ lease: Duration.zero }),
    `CoreConfig: lease is "0"; allowed is a duration of at least 1 milli`
  ],
  [() => CoreConfig.layerWith({ jobDeadline: Duration.infinity }), `CoreConfig: jobDeadline is "Infinity"`],
  [() => Worker.layer({ role: "Scan Worker" }), `role "Scan Worker": its name`]
]

describe("a definition", () => {
  it("a definition that can never work throws InvalidDefinition, whose sentence names it, the field and the value", () => {
    for (const [make, sentence] of refused) {
      let thrown: unknown = "no error"
      try {
        make()
      } catch (error) {
        thrown = error
      }
      expect(thrown instanceof Definition.InvalidDefinition ? thrown.message : String(thrown)).toContain(sentence)
    }
  })

  it("a definition at the bounds of what can work is taken", () => {
    for (const name of ["scan", "scan-worker", "2fa"]) expect(Definition.word("stage", name)).toBe(name)
    expect(empty.add(stage("first", 0)).add(stage("same", 0)).add(stage("last", 100)).plan.length).toBe(3)
    expect(Stage.make("s", { ...good, timeout: "24 hours", concurrency: 1 }).concurrency).toBe(1)
    expect(Limit.make("gpt-4.1:eu/tokens", { requests: 5, burst: 5 }).burst).toBe(5)
    expect(CircuitBreaker.make("b", { openFor: "1 hour" }).atMost).toEqual(
      CircuitBreaker.make("b", { openFor: "1 hour" }).openFor
    )
    batched({ within: 0, size: 1_000 })
  })

  it.live("a layer whose handlers and messages do not match, or whose mailbox is served already, does not start", () =>
    Effect.gen(function* () {
      const without = Effect.succeed({ Ring: () => Effect.void }) as unknown as typeof handled
      const more = Effect.succeed({ Ring: () => Effect.void, Heard: () => Effect.succeed(""), Rang: () => Effect.void })
      const lacking = Effect.succeed({ Letter: () => Effect.void }) as unknown as typeof nothing
      for (const [layer, sentence] of [
        [Behavior.layer(Bell, without), `handlers of actor "bell": Heard is undefined; allowed is a function`],
        [
          Behavior.layer(Bell, more),
          `handlers of actor "bell": a handler is "Rang"; allowed is for one of its messages`
        ],
        [BatchBehavior.layer(Post, lacking, { size: 1, within: 0 }), `handlers of actor "post": Card is undefined`],
        [
          Layer.merge(Behavior.layer(Bell, handled), Behavior.layer(Bell, handled)),
          "mailbox bell: its number of handlers is 2; allowed is 1 in a process"
        ],
        [
          Layer.merge(
            Schedule.everyTell("twin", { interval: "1 hour" }, ring),
            Schedule.everyTell("twin", { interval: "2 hours" }, ring)
          ),
          `schedule "twin": its name is "twin"; allowed is declared once in a process`
        ]
      ] as const) {
        const exit = yield* Effect.exit(Fleet.working(redis.url, layer))
        expect(exit._tag === "Failure" ? String(exit.cause) : "started").toContain(sentence)
      }
    })
  )

  it.live("a pipeline without stages takes no job", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const exit = yield* Effect.exit(client.run(Pipeline.submit(empty, "", { owner: null, key: null })))
      expect(exit._tag === "Failure" ? String(exit.cause) : "submitted").toContain("its number of stages is 0")
    })
  )

  it.live(
    "units that are no number: a request dies before its work, and a report of them leaves the estimate charged",
    () =>
      Effect.gen(function* () {
        const limit = Limit.make("definitions/units", { units: 10 })
        const context = yield* Layer.build(
          Worker.limits.pipe(Layer.provide(Layer.merge(RedisClient.layerUrl(redis.url), CoreConfig.layerWith({}))))
        )
        const limiter = Context.get(context, RateLimiter.RateLimiter)
        const use = (units: number, used: number) =>
          limiter.use(limit, { units, patience: 0 }, (permit) => Effect.sync(() => permit.used(used)))
        expect(String(yield* Effect.exit(use(NaN, 1)))).toContain("units is NaN; allowed is a finite number")
        yield* use(6, NaN)
        expect((yield* Effect.flip(use(6, 6)))._tag).toBe("RateLimited")
      })
  )
})
