/** What a Redis user must be allowed: the list is what the sources send, is in the documents, and suffices. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect } from "effect"
import { Redis } from "ioredis"
import { RedisClient } from "@eco2/core/redis"
import * as Permissions from "../../../packages/core/src/redis/Permissions.ts"
import { files, read } from "../../harness/Documents.ts"
import { keyNames } from "../../harness/KeyNames.ts"
import * as Fleet from "../CoreFixture.ts"
import { follow, priced, publish } from "../topic/TopicFixture.ts"
import { working } from "./LoggedWorker.ts"

const all = [
  ...Permissions.needed,
  ...Permissions.onCluster,
  ...Permissions.forDatabase,
  ...Permissions.forReplicas,
  ...Permissions.optional
].toSorted()
const documented =
  /^ACL SETUSER eco2 reset on >PASSWORD ~eco2:\* (.+)$/m.exec(read("docs/operations/redis.md"))?.[1]?.split(" ") ?? []

/** Commands of sources as ACLs name them; those with subcommands in Redis have one here. */
const withSubcommand = new Set(["xgroup", "xinfo", "client", "cluster"])
const named = (first: string, second: string | undefined) =>
  (withSubcommand.has(first.toLowerCase()) ? `${first}|${second ?? ""}` : first).toLowerCase()
const sentBy = (path: string, pattern: RegExp) =>
  [...read(path).matchAll(pattern)].map(([, first = "", second]) => named(first, second))

describe("the list of permissions", () => {
  it("the ACL in docs/operations/redis.md has exactly the commands of the code", () => {
    expect(documented).toEqual(all.map((name) => `+${name}`))
  })

  it("the list of permissions has every command that a script or a module sends, and no other", () => {
    const lua = files("packages/*/src/**/*.lua")
      .filter((path) => !path.endsWith("/permissions.lua"))
      .flatMap((path) => sentBy(path, /redis\.p?call\(\s*"([A-Z]+)"(?:,\s*"([A-Z]+)")?/g))
    const ts = files("packages/*/src/**/*.ts")
      .filter((path) => !/\/(Permissions|SentinelWatch)\.ts$/.test(path))
      .flatMap((path) => sentBy(path, /\b(?:send|call|read)\(\s*(?:[\w.]+,\s*)?"([A-Z]{3,})"(?:,\s*"([A-Z]+)")?/g))
    // sent by the driver, or by methods of its own
    const driver = ["client|setname", "cluster|slots", "cluster|info", "cluster|nodes", "asking", "select", "info"]
    const methods = ["eval", "evalsha", "get", "scan", "ping", "exists"]
    // permitted to everybody
    const free = new Set(["auth", "hello"])
    const sent = new Set([...lua, ...ts, ...driver, ...methods].filter((name) => !free.has(name)))
    expect(sent.size).toBeGreaterThan(50)
    expect([...sent].toSorted()).toEqual(all)
  })
})

describe("a user's permissions", () => {
  const redis = Fleet.privateRedis()
  const outside = Effect.acquireRelease(
    Effect.sync(() => new Redis(redis.url)),
    (client) => Effect.sync(() => client.disconnect())
  )
  /** A user with these rules. */
  const as = Effect.fnUntraced(function* (name: string, ...rules: ReadonlyArray<string>) {
    const client = yield* outside
    const tell = (...more: ReadonlyArray<string>) => Effect.promise(() => client.call("ACL", "SETUSER", name, ...more))
    yield* Effect.promise(() => client.call("ACL", "LOG", "RESET"))
    yield* tell("reset", "on", ">pw", ...rules)
    const refused = Effect.promise(() => client.call("ACL", "LOG"))
    return { url: redis.url.replace("redis://", `redis://${name}:pw@`), tell, refused, client }
  })
  const permitted = ["~eco2:*", ...documented]

  it.live("a process whose user lacks permissions does not start, and names all that are lacking", () =>
    Effect.gen(function* () {
      for (const [rules, lacked] of [
        [["~*", "+@all", "-xclaim", "-xgroup|create", "-rename"], "+rename +xclaim +xgroup|create"],
        [["~*", "+@all", "-@scripting"], "+eval +evalsha"],
        [["~other:*", "+@all"], "~eco2:*"]
      ] as const) {
        const { url } = yield* as("lacking", ...rules)
        const cause = yield* Effect.flip(Effect.sandbox(Fleet.joined(url)))
        expect(Cause.pretty(cause)).toContain(`the ACL of this user lacks ${lacked} (docs/operations`)
      }
      const { client, url } = yield* as("lacking", "~*", "+@all", "-xclaim")
      yield* Fleet.joined(url, { redisCheck: "warn" })
      // nothing is left of the trial
      expect((yield* Effect.promise(() => client.keys("*"))).filter((key) => key.includes("probe"))).toEqual([])
    })
  )

  it.live(
    "a process with SUBMIT_REPLICAS whose user may not wait for replicas does not start, and one without does",
    () =>
      Effect.gen(function* () {
        const { url } = yield* as("waitless", "~*", "+@all", "-wait", "-rename")
        const cause = yield* Effect.flip(Effect.sandbox(Fleet.joined(url, { submitReplicas: 1 })))
        expect(Cause.pretty(cause)).toContain("the ACL of this user lacks +rename +wait (docs/operations")
        const { tell } = yield* as("waitless", "~*", "+@all", "-wait")
        yield* Fleet.joined(url)
        const warned = yield* Fleet.joined(url, { submitReplicas: 1, redisCheck: "warn" })
        // the trial is no trouble of Redis's: what else the process does goes on
        expect(yield* warned.run(RedisClient.RedisClient.useSync(({ trouble }) => trouble()))).toBeNull()
        yield* tell("+wait")
        yield* Fleet.joined(url, { submitReplicas: 1 })
      })
  )

  it.live("a process whose user may no longer wait for replicas logs the permission that is lacking", () =>
    Effect.gen(function* () {
      const { tell, url } = yield* as("patient", ...permitted)
      const worker = yield* working(url, { submitReplicas: 1 })
      yield* tell("-wait")
      yield* Effect.forkChild(worker.submit)
      const [line] = yield* worker.logs.said("redis does not permit what processes need")
      expect(line?.facts.lacked).toEqual(["+wait"])
    })
  )

  /** Jobs of 100 ms through a worker of 20 slots, a topic, and a worker that dies; all done, and stopped in time. */
  const works = Effect.fnUntraced(function* (url: string, jobs = 60) {
    const begun = yield* Deferred.make<void>()
    const slowly = Fleet.parcelBehaviors({
      weigh: () =>
        Effect.andThen(Deferred.succeed(begun, undefined), Effect.as(Effect.sleep("100 millis"), { grams: 1 }))
    })
    const worker = yield* Fleet.working(url, slowly)
    const topic = yield* follow(worker)
    yield* publish(worker, priced("plum", 3))
    yield* topic.knows("plum", 3)
    const ids = yield* Effect.forEach(
      Array.from({ length: jobs }, (_, i) => `owner ${i}`),
      (owner) => worker.run(Fleet.submit({ owner })),
      { concurrency: 20 }
    )
    const since = performance.now()
    for (const id of ids) yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
    const millis = performance.now() - since
    yield* worker.stop
    const client = yield* Fleet.joined(url)
    const hand = yield* Fleet.byHand(client, "hand")
    const left = yield* client.run(Fleet.submit())
    yield* hand.take("weigh")
    yield* client.send("ZADD", keyNames.alive, 1, "hand")
    const heir = yield* Fleet.working(url, slowly)
    yield* Fleet.until(heir.run(Fleet.jobOf(left)), ({ state }) => state === "done")
    // a stop that would wait for a read's own end takes 20 s
    yield* Effect.timeoutOrElse(heir.stop, {
      duration: Duration.seconds(15),
      orElse: () => Effect.die(new Error("the worker did not stop"))
    })
    return millis
  })

  it.live("workers under exactly the documented ACL do their jobs, take over and stop, and are refused nothing", () =>
    Effect.gen(function* () {
      const { refused, url } = yield* as("exact", ...permitted)
      yield* works(url)
      expect(yield* refused).toEqual([])
    })
  )

  it.live(
    "workers without CLIENT UNBLOCK (-@dangerous) do their jobs, take over and stop, and keep their connections",
    () =>
      Effect.gen(function* () {
        const { client, url } = yield* as("tame", "~*", "&*", "+@all", "-@dangerous")
        const made = Effect.promise(async () =>
          Number(/total_connections_received:(\d+)/.exec(await client.info("stats"))?.[1])
        )
        const before = yield* made
        // forty seconds and more when every read lasted its twenty seconds
        expect(yield* works(url, 240)).toBeLessThan(20_000)
        // a read that is closed to end it costs a connection; reads in turns do not
        expect((yield* made) - before).toBeLessThan(17)
      })
  )

  it.live("a permission that is taken away later is logged once, with all that are lacking", () =>
    Effect.gen(function* () {
      const { tell, url } = yield* as("later", ...permitted)
      const worker = yield* working(url)
      yield* worker.done(yield* worker.submit)
      yield* tell("-rpush", "-zcard")
      yield* Effect.forkChild(worker.submit)
      const [line] = yield* worker.logs.said("redis does not permit what processes need")
      expect(line?.facts.lacked).toEqual(["+rpush", "+zcard"])
      yield* tell("+rpush", "+zcard")
      yield* worker.done(yield* worker.submit)
      expect(worker.logs.of("redis does not permit what processes need").length).toBe(1)
    })
  )
})
