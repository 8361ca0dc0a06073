/**
 * A4 on real servers, one trouble at a time: each is logged once when it begins and once when it ends, readiness shows it, and
 * work resumes by itself.
 */
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Result, Schedule } from "effect"
import { TestClock } from "effect/testing"
import type { Redis } from "ioredis"
import { RedisError } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { FaultProxy, RedisServer } from "@eco2/core/testing"
import * as ServerInfo from "../../../packages/core/src/redis/ServerInfo.ts"
import { hashSlot } from "../../../packages/core/src/redis/HashSlot.ts"
import * as RedisHealth from "../../../packages/core/src/redis/RedisHealth.ts"
import * as Fleet from "../CoreFixture.ts"
import * as RedisCluster from "../RedisCluster.ts"
import { operator, order, working } from "./LoggedWorker.ts"
import * as LogLines from "./LogLines.ts"

const began = "redis refuses commands"
const ended = "redis accepts commands again"
const broke = "redis connection failed"
const back = "redis connection restored"

const isNull = (said: string | null) => said === null
const isSaid = (said: string | null) => said !== null
/** As callers do: on a busy machine the driver gives a command up before it has reached the server. */
const insisted = <A, E extends { readonly _tag: string }, R>(call: Effect.Effect<A, E, R>) =>
  Effect.retry(call, {
    schedule: Schedule.spaced("50 millis"),
    while: (error) => RedisError.isRedisError(error) && RedisError.isTransient(error)
  })
/** A client alone, and what its process logs. */
const loggedClient = Effect.fnUntraced(function* (url: string) {
  const logs = LogLines.make()
  const context = yield* Layer.build(Layer.fresh(RedisClient.layerUrl(url).pipe(Layer.provideMerge(logs.layer))))
  return { client: Context.get(context, RedisClient.RedisClient), logs }
})
/** A key whose slot is one of these. */
const keyIn = (from: number, to: number): string => {
  for (let n = 0; ; n++) if (hashSlot(`{${n}}`) >= from && hashSlot(`{${n}}`) <= to) return `{${n}}`
}

// side by side: each has servers of its own, and most of what they do is wait
describe.concurrent("Redis in trouble", { timeout: 60_000 }, () => {
  describe("a master that has become a replica", () => {
    const cases = [
      { kind: "READONLY", stale: "yes", says: "Redis is a replica and takes no writes" },
      { kind: "MASTERDOWN", stale: "no", says: "Redis is a replica that has lost its master" }
    ] as const
    for (const { kind, says, stale } of cases) {
      it.live(`A4 ${kind} is logged once however often it is answered, and what was refused is done afterwards`, () =>
        Effect.gen(function* () {
          const server = yield* RedisServer.scoped({ args: ["--replica-serve-stale-data", stale] })
          const admin = yield* operator(server.url)
          const worker = yield* working(server.url)
          yield* worker.done(yield* worker.submit)
          yield* order(admin, "REPLICAOF", "127.0.0.1", yield* Effect.promise(RedisServer.freePort))
          const sent = yield* Effect.forkChild(
            kind === "READONLY" ? insisted(worker.submit) : insisted(worker.redis.send("GET", "a"))
          )
          yield* worker.logs.said(began)
          const refusedSoFar = Effect.map(order(admin, "INFO", "errorstats"), (info) =>
            Number(new RegExp(`errorstat_${kind}:count=(\\d+)`).exec(String(info))?.[1] ?? 0)
          )
          yield* Fleet.until(refusedSoFar, (count) => count > 5)
          yield* Fleet.until(worker.trouble, isSaid)
          expect(yield* worker.trouble).toBe(says)
          yield* order(admin, "REPLICAOF", "NO", "ONE")
          yield* Fiber.join(sent)
          yield* Fleet.until(worker.trouble, isNull)
          yield* worker.done(yield* worker.submit)
          expect(worker.kinds(began).filter((said) => said === kind)).toEqual([kind])
          expect(worker.kinds(ended).toSorted()).toEqual(worker.kinds(began).toSorted())
          expect([...worker.logs.of(broke), ...worker.logs.of(back)]).toEqual([])
          // reconnected ever less often: 2 a second in the long run, not 20
          expect(worker.redis.reconnects()).toBeLessThan(20)
        })
      )
    }
  })

  describe("a server that is loading its data", () => {
    /** A thousand keys at 2 ms each, answering in between. */
    const slowly = [
      ...["--enable-debug-command", "yes", "--key-load-delay", "2000"],
      ...["--loading-process-events-interval-bytes", "1024"]
    ]
    const fill = (admin: Redis) =>
      order(admin, "EVAL", "for i = 1, 1000 do redis.call('SET', 'filler:' .. i, string.rep('x', 64)) end", 0)

    it.live("A4 LOADING is logged once, and commands sent meanwhile are done when it is over", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.scoped({ args: slowly })
        const admin = yield* operator(server.url)
        const worker = yield* working(server.url)
        yield* fill(admin)
        const reloaded = yield* Effect.forkChild(order(admin, "DEBUG", "RELOAD"))
        const sent = yield* Effect.forkChild(Effect.forEach([1, 2, 3], () => worker.submit, { concurrency: 3 }))
        yield* Fleet.until(worker.trouble, isSaid)
        expect(yield* worker.trouble).toBe("Redis is loading its data")
        yield* Fiber.join(reloaded)
        for (const id of yield* Fiber.join(sent)) yield* worker.done(id)
        yield* Fleet.until(worker.trouble, isNull)
        expect(worker.kinds(began)).toEqual(["LOADING"])
        expect(worker.kinds(ended)).toEqual(["LOADING"])
        expect([...worker.logs.of(broke), ...worker.logs.of(back)]).toEqual([])
      })
    )

    it.live("a server is used within a second after it has loaded its data, whatever time it had estimated", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.scoped({ args: slowly })
        const admin = yield* operator(server.url)
        const worker = yield* working(server.url)
        yield* fill(admin)
        yield* order(admin, "SAVE")
        const restarted = yield* Effect.forkChild(
          Effect.map(
            Effect.promise(() => server.restart()),
            () => performance.now()
          )
        )
        yield* worker.logs.said(broke)
        const answered = yield* Effect.forkChild(
          Effect.map(worker.redis.send("GET", "filler:1"), () => performance.now())
        )
        expect((yield* Fiber.join(answered)) - (yield* Fiber.join(restarted))).toBeLessThan(1_000)
        yield* worker.done(yield* worker.submit)
        expect(worker.logs.of(back)).toHaveLength(1)
      })
    )
  })

  describe("a full Redis", () => {
    it.live(
      "A4 OOM is logged once and makes the process unready while it lasts, and work in hand is finished meanwhile",
      () =>
        Effect.gen(function* () {
          const server = yield* RedisServer.scoped()
          const admin = yield* operator(server.url)
          const scale = yield* Deferred.make<void>()
          const worker = yield* working(server.url, {
            weigh: ({ input }) => Effect.as(Deferred.await(scale), { grams: input.weight })
          })
          const id = yield* worker.submit
          yield* order(admin, "CONFIG", "SET", "maxmemory", 1)
          for (const _ of [1, 2, 3]) expect(yield* Effect.flip(worker.submit)).toMatchObject({ _tag: "RedisFull" })
          yield* Fleet.until(worker.trouble, isSaid)
          expect(yield* worker.trouble).toBe("Redis is full (maxmemory reached)")
          yield* Deferred.succeed(scale, undefined)
          yield* worker.done(id)
          // nothing was refused lately, and it is full all the same
          yield* Effect.sleep(Duration.seconds(4))
          expect(yield* worker.trouble).toBe("Redis is full (maxmemory reached)")
          yield* order(admin, "CONFIG", "SET", "maxmemory", 0)
          yield* Fleet.until(worker.trouble, isNull)
          yield* worker.done(yield* worker.submit)
          expect(worker.kinds(began)).toEqual(["OOM"])
          expect(worker.kinds(ended)).toEqual(["OOM"])
        })
    )
  })

  describe("a user who may use the keys of the installation alone", () => {
    /** The user's client, and a server that refuses its writes; each ends by itself. */
    const confined = Effect.fnUntraced(function* () {
      const server = yield* RedisServer.scoped({ args: ["--busy-reply-threshold", "50"] })
      const admin = yield* operator(server.url)
      yield* order(admin, "ACL", "SETUSER", "ann", "on", ">secret", "~eco2:*", "+@all")
      const { client, logs } = yield* loggedClient(`redis://ann:secret@127.0.0.1:${server.port}`)
      yield* client.send("PING")
      return { server, admin, client, logs }
    })

    it.live("A4 a refused read of a mailbox is over once Redis takes writes: the probe names the mailbox", () =>
      Effect.gen(function* () {
        const { admin, client, logs } = yield* confined()
        yield* client.send("XGROUP", "CREATE", "eco2:a", "workers", "$", "MKSTREAM")
        yield* order(admin, "CONFIG", "SET", "min-replicas-to-write", 1)
        yield* Effect.flip(client.send("XREADGROUP", "GROUP", "workers", "ann", "STREAMS", "eco2:a", ">"))
        yield* Fleet.until(Effect.sync(client.trouble), isSaid)
        yield* order(admin, "CONFIG", "SET", "min-replicas-to-write", 0)
        yield* logs.said(ended)
        expect(logs.lines.map(({ facts }) => facts.kind)).toEqual(["NOREPLICAS", "NOREPLICAS"])
        expect(yield* order(admin, "ACL", "LOG")).toEqual([])
      })
    )

    it.live("A4 a refused command without a key is over once Redis takes commands: the probe names a key of ours", () =>
      Effect.gen(function* () {
        const { admin, client, logs, server } = yield* confined()
        const looping = yield* operator(server.url)
        const script = yield* Effect.forkChild(Effect.exit(order(looping, "EVAL", "while true do end", 0)))
        yield* Fleet.until(Effect.result(client.send("WAIT", "0", "1")), Result.isFailure)
        yield* Fleet.until(Effect.sync(client.trouble), isSaid)
        yield* order(admin, "SCRIPT", "KILL")
        yield* Fiber.join(script)
        yield* logs.said(ended)
        expect(logs.lines.map(({ facts }) => facts.kind)).toEqual(["BUSY", "BUSY"])
        expect(yield* order(admin, "ACL", "LOG")).toEqual([])
      })
    )
  })

  describe("a mailbox whose group is gone", () => {
    it.live("A4 NOGROUP is logged once, and once more when the mailbox is read again", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.scoped()
        const admin = yield* operator(server.url)
        const worker = yield* working(server.url)
        for (const loss of [1, 2]) {
          yield* worker.done(yield* worker.submit)
          yield* order(admin, "FLUSHALL")
          yield* worker.done(yield* worker.submit)
          const said = worker.logs.of("mailbox read failed").map(({ facts }) => String(facts.error))
          expect(said).toHaveLength(loss)
          expect(worker.logs.of("mailboxes are read again")).toHaveLength(loss)
          // Redis 7.0 first says that the stream is gone
          expect(said.at(-1)).toMatch(/NOGROUP|UNBLOCKED/)
        }
        const errors = String(yield* order(admin, "INFO", "errorstats"))
        expect(Number(/errorstat_NOGROUP:count=(\d+)/.exec(errors)?.[1])).toBeLessThan(10)
      })
    )
  })

  describe("a connection", () => {
    it.live("a connection that its own process closes is not logged as lost", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.scoped()
        const admin = yield* operator(server.url)
        const logs = yield* Effect.scoped(Effect.map(working(server.url), (worker) => worker.logs))
        yield* Fleet.until(order(admin, "CLIENT", "LIST"), (list) => !String(list).includes("name=eco2"))
        yield* order(admin, "PING")
        expect([...logs.of(broke), ...logs.of(back)]).toEqual([])
      })
    )

    it.live(
      "A4 a server that refuses connections is logged once for the process, makes it unready, and its return is logged",
      () =>
        Effect.gen(function* () {
          const server = yield* RedisServer.scoped()
          const proxy = yield* Effect.acquireRelease(
            Effect.promise(() => FaultProxy.start(server.port)),
            (one) => Effect.promise(() => one.close())
          )
          const worker = yield* working(proxy.url)
          for (const outage of [1, 2]) {
            yield* worker.done(yield* worker.submit)
            proxy.refuse()
            yield* Fleet.until(worker.trouble, isSaid)
            expect(yield* worker.trouble).toBe("Redis does not answer")
            proxy.heal()
            yield* Fleet.until(worker.trouble, isNull)
            yield* Fleet.until(
              Effect.sync(() => worker.logs.of(back)),
              ({ length }) => length === outage
            )
            expect(worker.logs.of(broke)).toHaveLength(outage)
          }
          yield* worker.done(yield* worker.submit)
        })
    )

    it.live("A4 a beat that gets no answer in time because the connection was lost is not logged beside it", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.scoped()
        const proxy = yield* Effect.acquireRelease(
          Effect.promise(() => FaultProxy.start(server.port)),
          (one) => Effect.promise(() => one.close())
        )
        const admin = yield* operator(server.url)
        const scale = yield* Deferred.make<void>()
        const worker = yield* working(proxy.url, {
          // a busy machine must not lose it meanwhile
          lease: Duration.seconds(6),
          weigh: ({ input }) => Effect.as(Deferred.await(scale), { grams: input.weight })
        })
        const id = yield* worker.submit
        const questions = Effect.map(order(admin, "INFO", "commandstats"), (info) =>
          Number(/cmdstat_xpending:calls=(\d+)/.exec(String(info))?.[1] ?? 0)
        )
        // so that a beat's question for what the process holds has arrived, and its answer is still on its way
        proxy.slow(80)
        const before = yield* questions
        yield* Fleet.until(questions, (count) => count > before)
        // the connection is lost, and the next one brings no answer either
        proxy.hold()
        proxy.cut()
        yield* Fleet.until(worker.trouble, isSaid)
        proxy.heal()
        yield* Fleet.until(worker.trouble, isNull)
        yield* Deferred.succeed(scale, undefined)
        yield* worker.done(id)
        const warned = worker.logs.warned()
        expect(warned.map(({ text }) => text)).toEqual([broke])
      })
    )

    it.live("A4 a connection that has fallen silent is replaced, logged once, and makes the process unready", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.scoped()
        const worker = yield* working(server.url)
        server.freeze()
        const sent = yield* Effect.forkChild(Effect.flip(worker.submit))
        yield* worker.logs.said(broke)
        yield* Fleet.until(worker.trouble, isSaid)
        expect(yield* worker.trouble).toBe("Redis does not answer")
        expect(yield* Fiber.join(sent)).toMatchObject({ _tag: "RedisUnavailable" })
        server.thaw()
        yield* Fleet.until(worker.trouble, isNull)
        yield* worker.done(yield* worker.submit)
        expect(worker.logs.of(broke)).toHaveLength(1)
        yield* worker.logs.said(back)
        expect(worker.logs.of(back)).toHaveLength(1)
      })
    )
  })

  describe("a Cluster", () => {
    it.live(
      "A4 CLUSTERDOWN after a master's death is logged once, and work resumes by itself when the master is back",
      () =>
        Effect.gen(function* () {
          const { servers, url } = yield* RedisCluster.start()
          const worker = yield* working(url, { lease: Duration.seconds(3) })
          yield* worker.done(yield* worker.submit)
          yield* Effect.promise(() => servers[2]!.kill9())
          yield* Fleet.until(Effect.andThen(Effect.option(worker.submit), worker.trouble), isSaid).pipe(
            Effect.timeout("25 seconds")
          )
          expect(yield* worker.trouble).toBe("the Redis Cluster is down")
          // whatever it stopped: the readers of all partitions, beats, timers
          expect(worker.logs.warned().map(({ text }) => text)).toEqual([began, began])
          yield* Effect.promise(() => servers[2]!.restart())
          yield* Fleet.until(worker.trouble, isNull)
          const again = yield* Fleet.until(Effect.option(worker.submit), (id) => id._tag === "Some")
          if (again._tag === "Some") yield* worker.done(again.value)
          yield* Fleet.until(
            Effect.sync(() => worker.kinds(ended)),
            ({ length }) => length > 1
          )
          expect(worker.kinds(began).toSorted()).toEqual(["CLUSTERDOWN", "NODE"])
          expect(worker.kinds(ended).toSorted()).toEqual(["CLUSTERDOWN", "NODE"])
        })
    )

    const troubles = [
      ["NOREPLICAS", ["CONFIG", "SET", "min-replicas-to-write", 1], ["CONFIG", "SET", "min-replicas-to-write", 0]],
      ["NOAUTH", ["CONFIG", "SET", "requirepass", "a"], ["CONFIG", "SET", "requirepass", ""]]
    ] as const
    for (const [code, begin, end] of troubles) {
      it.live(`A4 ${code} of all masters is logged once for the process, and what was refused is done afterwards`, () =>
        Effect.gen(function* () {
          const { servers, url } = yield* RedisCluster.start()
          const admins = yield* Effect.forEach(servers, (server) => operator(server.url))
          yield* Effect.forEach(admins, (admin) => order(admin, "PING"))
          const scale = yield* Deferred.make<void>()
          let runs = 0
          const worker = yield* working(url, {
            weigh: ({ input }) =>
              Effect.sync(() => void runs++).pipe(
                Effect.andThen(Deferred.await(scale)),
                Effect.as({ grams: input.weight })
              )
          })
          // jobs of one user are in one partition, whose reader has a share of the slots
          const ids = yield* Effect.forEach([1, 2], () => worker.submit)
          yield* Fleet.until(
            Effect.sync(() => runs),
            (begun) => begun === ids.length
          )
          for (const admin of admins) {
            yield* order(admin, begin[0], ...begin.slice(1))
            yield* order(admin, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
          }
          yield* Deferred.succeed(scale, undefined)
          yield* Fleet.until(worker.trouble, (said) => said?.includes(`: ${code} `) === true)
          for (const admin of admins) yield* order(admin, end[0], ...end.slice(1))
          yield* Fleet.until(worker.trouble, isNull)
          for (const id of ids) yield* worker.done(id)
          expect(runs).toBe(ids.length)
          const kinds = worker.kinds(began)
          expect(kinds.filter((kind) => kind === code)).toEqual([code])
          // the connections that were closed
          expect(kinds.filter((kind) => kind !== code && kind !== "NODE")).toEqual([])
          const others = worker.logs.warned().filter(({ text }) => text !== began)
          expect(others.map(({ text }) => text)).toEqual([])
        })
      )
    }

    it.live(
      "A4 a Cluster's user with a short ACL – a master that refused its password takes it again – is probed by a key it may not name, and that is no refusal",
      () =>
        Effect.gen(function* () {
          const { servers, url } = yield* RedisCluster.start()
          const admins = yield* Effect.forEach(servers, (server) => operator(server.url))
          // of the master that has not the fleet's slot, this key alone is the user's
          const fleetAt = [5460, 10_922, 16_383].findIndex((last) => hashSlot("eco2:{fleet}") <= last)
          const [number, key] = fleetAt === 0 ? ([1, keyIn(5461, 10_922)] as const) : ([0, keyIn(0, 5460)] as const)
          const admin = admins[number]!
          const user = (one: Redis, password: string) =>
            order(one, "ACL", "SETUSER", "short", "reset", "on", `>${password}`, "~eco2:{fleet}:*", `~${key}`, "+@all")
          for (const one of admins) yield* user(one, "pw")
          const { client, logs } = yield* loggedClient(url.replace("//", "//short:pw@"))
          yield* client.send("SET", key, 1)
          yield* user(admin, "other")
          yield* order(admin, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
          yield* Fleet.until(Effect.result(client.send("SET", key, 1)), (answer) =>
            Result.isFailure(answer)
              ? answer.failure._tag === "RedisRefused" && answer.failure.code === "WRONGPASS"
              : false
          )
          yield* Fleet.until(Effect.sync(client.trouble), isSaid)
          yield* order(admin, "ACL", "LOG", "RESET")
          yield* user(admin, "pw")
          yield* Fleet.until(Effect.sync(client.trouble), isNull)
          // the probe named a key that the user may not name
          expect(JSON.stringify(yield* order(admin, "ACL", "LOG"))).toContain('"reason","key"')
          expect(logs.lines.flatMap(({ facts }) => (facts.kind === "NOPERM" ? [facts] : []))).toEqual([])
          expect(logs.of("redis does not permit what processes need")).toEqual([])
        })
    )

    for (const [code, begin, end] of troubles) {
      it.live(`A4 ${code} of two masters lasts until the second one takes commands again, and is logged once`, () =>
        Effect.gen(function* () {
          const { servers, url } = yield* RedisCluster.start()
          const admins = yield* Effect.forEach(servers, (server) => operator(server.url))
          yield* Effect.forEach(admins, (admin) => order(admin, "PING"))
          const { client, logs } = yield* loggedClient(url)
          const [first, second] = [admins[0]!, admins[1]!]
          for (const [admin, key] of [
            [first, keyIn(0, 5460)],
            [second, keyIn(5461, 10_922)]
          ] as const) {
            yield* client.send("SET", key, 1)
            yield* order(admin, begin[0], ...begin.slice(1))
            yield* order(admin, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            yield* Fleet.until(Effect.result(client.send("SET", key, 1)), (answer) =>
              Result.isFailure(answer) ? answer.failure._tag === "RedisRefused" && answer.failure.code === code : false
            )
          }
          yield* Fleet.until(Effect.sync(client.trouble), isSaid)
          const refusals = (admin: Redis) =>
            Effect.map(order(admin, "INFO", "errorstats"), (info) =>
              Number(new RegExp(`errorstat_${code}:count=(\\d+)`).exec(String(info))?.[1] ?? 0)
            )
          // one after the other, as an operator would, and with nothing sent but the probes
          yield* order(first, end[0], ...end.slice(1))
          const atFirst = yield* refusals(first)
          const atSecond = yield* refusals(second)
          yield* Fleet.until(refusals(second), (count) => count > atSecond + 2)
          expect(client.trouble()).toContain(code)
          expect(yield* refusals(first)).toBe(atFirst)
          yield* order(second, end[0], ...end.slice(1))
          yield* Fleet.until(Effect.sync(client.trouble), isNull)
          expect(logs.lines.flatMap(({ facts, text }) => (facts.kind === code ? [text] : []))).toEqual([began, ended])
        })
      )
    }

    it.live("A4 a master that stays dead is logged once, whatever is sent for its slots", () =>
      Effect.gen(function* () {
        const { servers, url } = yield* RedisCluster.start(["--cluster-require-full-coverage", "no"])
        const { client, logs } = yield* loggedClient(url)
        const [living, dead] = [keyIn(0, 5460), keyIn(5461, 10_922)]
        const admin = yield* operator(servers[0]!.url)
        const looks = Effect.map(order(admin, "INFO", "commandstats"), (info) =>
          Number(/cmdstat_cluster\|nodes:calls=(\d+)/.exec(String(info))?.[1] ?? 0)
        )
        yield* client.send("SET", dead, 1)
        yield* Effect.promise(() => servers[1]!.kill9())
        for (const _ of [1, 2]) {
          const failure = yield* Effect.flip(client.send("SET", dead, 1))
          expect(failure).toMatchObject({ _tag: "RedisUnavailable" })
          yield* client.send("SET", living, 1)
          // one a second: in this time a refusal that nothing is refused by would be over
          const before = yield* looks
          yield* Fleet.until(looks, (count) => count > before + 3)
        }
        expect(client.trouble()).toBe(null)
        expect(logs.lines.map(({ facts, text }) => [text, facts.kind])).toEqual([[began, "NODE"]])
        yield* Effect.promise(() => servers[1]!.restart())
        yield* logs.said(ended)
        yield* client.send("SET", dead, 1)
        // it may answer that it has not heard from the others yet
        const told = logs.lines.filter(({ facts }) => facts.kind !== "CLUSTERDOWN")
        expect(told.map(({ facts, text }) => [text, facts.kind])).toEqual([
          [began, "NODE"],
          [ended, "NODE"]
        ])
      })
    )

    it.live("a master whose connection ended is still among those that are scanned, and whose INFO is read", () =>
      Effect.gen(function* () {
        const { servers, url } = yield* RedisCluster.start()
        const { client } = yield* loggedClient(url)
        const names = ["{a}", "{b}", "{c}", "{d}", "{e}", "{f}"]
        for (const name of names) yield* client.send("SET", name, 1)
        for (const server of servers.slice(1)) {
          const admin = yield* operator(server.url)
          yield* order(admin, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
          // until the process has seen it, too
          yield* Fleet.until(order(admin, "CLIENT", "LIST"), (list) => !/name=eco2\b/.test(String(list)))
        }
        expect((yield* client.scan("*")).toSorted()).toEqual(names)
        expect(yield* client.servers).toHaveLength(3)
      })
    )

    it.live("a permission for looks at a Cluster that is missing is no trouble, and a trouble beside it ends", () =>
      Effect.gen(function* () {
        const { servers, url } = yield* RedisCluster.start()
        const admins = yield* Effect.forEach(servers, (server) => operator(server.url))
        for (const admin of admins) yield* order(admin, "ACL", "SETUSER", "default", "-cluster|nodes")
        const client = yield* RedisCluster.clientOf(url)
        yield* client.send("SET", "a", 1)
        for (const admin of admins) yield* order(admin, "CONFIG", "SET", "min-replicas-to-write", 1)
        yield* Fleet.until(Effect.andThen(Effect.exit(client.send("SET", "a", 1)), Effect.sync(client.trouble)), isSaid)
        for (const admin of admins) yield* order(admin, "CONFIG", "SET", "min-replicas-to-write", 0)
        yield* Fleet.until(Effect.sync(client.trouble), isNull)
      })
    )

    it.live("a Cluster with no master left fails with RedisUnavailable within 20 s, and answers once it is back", () =>
      Effect.gen(function* () {
        const { servers, url } = yield* RedisCluster.start()
        const client = yield* RedisCluster.clientOf(url)
        yield* client.send("PING")
        yield* Effect.promise(() => Promise.all(servers.map((server) => server.kill9())))
        const refusal = yield* Effect.flip(client.send("GET", "a")).pipe(Effect.timeout("20 seconds"))
        expect(refusal).toMatchObject({ _tag: "RedisUnavailable" })
        const again = yield* Effect.flip(client.send("GET", "a")).pipe(Effect.timeout("20 seconds"))
        expect(again).toMatchObject({ _tag: "RedisUnavailable" })
        yield* Effect.forEach(servers, (server) => Effect.promise(() => server.restart()), { concurrency: 3 })
        yield* Fleet.until(Effect.option(client.send("GET", "a")), (answer) => answer._tag === "Some")
      })
    )
  })
})

describe("the log of Redis's refusals", () => {
  const made = Effect.fnUntraced(function* (
    look: Effect.Effect<RedisHealth.Look, RedisError.RedisError>,
    probe: (at: RedisHealth.Place) => Effect.Effect<void, RedisError.RedisError> = () => Effect.void
  ) {
    const logs = LogLines.make()
    const health = yield* RedisHealth.make(look, probe).pipe(Effect.provide(logs.layer))
    return { health, logs }
  })
  const noPermission = new RedisError.RedisRefused({ command: "INFO", code: "NOPERM", reply: "NOPERM" })
  const healthy = Effect.succeed({ heard: [ServerInfo.parse("redis:6379", "role:master")], silent: 0 })

  it.effect("a refusal ends after ten seconds without another where the server's INFO may not be read", () =>
    Effect.gen(function* () {
      const { health, logs } = yield* made(Effect.fail(noPermission))
      health.refused("OOM", "OOM command not allowed")
      expect(health.unready()).toBe(null)
      yield* TestClock.adjust("9 seconds")
      health.refused("OOM", "OOM command not allowed")
      yield* TestClock.adjust("9 seconds")
      expect(health.unready()).toBe("Redis is full (maxmemory reached)")
      yield* TestClock.adjust("2 seconds")
      expect(health.unready()).toBe(null)
      expect(logs.lines.map(({ text }) => text)).toEqual([began, ended])
    })
  )

  it.effect("a refusal that INFO does not tell of lasts until a probe of the refused key succeeds, one a second", () =>
    Effect.gen(function* () {
      const reply = "NOREPLICAS Not enough good replicas to write."
      const probed: Array<string | undefined> = []
      let refuses = true
      const { health, logs } = yield* made(healthy, ({ key }) =>
        Effect.suspend(() => {
          probed.push(key)
          return refuses
            ? Effect.fail(new RedisError.RedisRefused({ command: "XACK", code: "NOREPLICAS", reply }))
            : Effect.void
        })
      )
      const at = { server: "", key: "eco2:{1}" }
      health.refused("NOREPLICAS", reply, at)
      health.refused("MISCONF", "MISCONF Errors writing to the AOF file: No space left on device", at)
      yield* TestClock.adjust("1 minute")
      expect(health.unready()).toBe(`Redis refuses commands: ${reply}`)
      expect(probed.length).toBeLessThanOrEqual(60)
      expect(new Set(probed)).toEqual(new Set(["eco2:{1}"]))
      refuses = false
      yield* TestClock.adjust("2 seconds")
      expect(health.unready()).toBe(null)
      expect(logs.lines.map(({ text }) => text)).toEqual([began, began, ended, ended])
    })
  )

  it.effect("a refusal of several servers lasts until a probe of each has succeeded, each asked once a second", () =>
    Effect.gen(function* () {
      const reply = "NOREPLICAS Not enough good replicas to write."
      const refusing = new Set(["one", "two", "three"])
      const probed: Array<string> = []
      const { health, logs } = yield* made(healthy, ({ server }) =>
        Effect.suspend(() => {
          probed.push(server)
          return refusing.has(server)
            ? Effect.fail(new RedisError.RedisRefused({ command: "XACK", code: "NOREPLICAS", reply }))
            : Effect.void
        })
      )
      for (const server of refusing)
        for (const key of ["a", "b", "c"]) health.refused("NOREPLICAS", reply, { server, key })
      yield* TestClock.adjust("10 seconds")
      expect(probed.length).toBeLessThanOrEqual(30)
      expect(new Set(probed)).toEqual(refusing)
      for (const server of ["one", "three"]) {
        refusing.delete(server)
        yield* TestClock.adjust("3 seconds")
        expect(health.unready()).toBe(`Redis refuses commands: ${reply}`)
        probed.length = 0
        yield* TestClock.adjust("10 seconds")
        expect(new Set(probed)).toEqual(refusing)
      }
      // one that was over refuses again
      refusing.add("one")
      health.refused("NOREPLICAS", reply, { server: "one" })
      refusing.delete("two")
      yield* TestClock.adjust("10 seconds")
      expect(health.unready()).toBe(`Redis refuses commands: ${reply}`)
      refusing.clear()
      yield* TestClock.adjust("2 seconds")
      expect(health.unready()).toBe(null)
      expect(logs.lines.map(({ text }) => text)).toEqual([began, ended])
    })
  )

  it.effect("a permission that is missing lasts for ten seconds after the last refusal, whatever the probe says", () =>
    Effect.gen(function* () {
      const { health } = yield* made(healthy)
      health.refused("NOPERM", "NOPERM this user has no permissions to run the 'evalsha' command")
      yield* TestClock.adjust("9 seconds")
      expect(health.unready()).toContain("NOPERM")
      yield* TestClock.adjust("2 seconds")
      expect(health.unready()).toBe(null)
    })
  )

  it.effect(
    "a slot that stays open and a server of a Cluster that is away are logged, and leave the process ready",
    () =>
      Effect.gen(function* () {
        const { health, logs } = yield* made(healthy)
        health.refused("TRYAGAIN", "TRYAGAIN Multiple keys request during rehashing of slot")
        health.refused("NODE", "connect ECONNREFUSED 127.0.0.1:7001")
        yield* TestClock.adjust("2500 millis")
        expect(health.unready()).toBe(null)
        yield* TestClock.adjust("3 seconds")
        expect(logs.lines.map(({ text }) => text)).toEqual([began, began, ended, ended])
      })
  )

  it.effect("a server that invents a code for every reply is logged for a bounded number of kinds", () =>
    Effect.gen(function* () {
      const { health, logs } = yield* made(healthy)
      for (let n = 0; n < 1_000; n++) health.refused(`CODE${n}`, `CODE${n} no`)
      expect(logs.of(began)).toHaveLength(17)
      yield* TestClock.adjust("30 seconds")
      expect(health.unready()).toBe(null)
    })
  )

  it.effect("a server that refuses a write now and then is logged as one trouble", () =>
    Effect.gen(function* () {
      const { health, logs } = yield* made(healthy)
      for (const _ of [1, 2, 3, 4, 5]) {
        health.refused("OOM", "OOM command not allowed")
        yield* TestClock.adjust("1500 millis")
      }
      yield* TestClock.adjust("3 seconds")
      expect(logs.lines.map(({ text }) => text)).toEqual([began, ended])
      expect(health.unready()).toBe(null)
    })
  )

  it.effect(
    "a reconnect leaves the process ready; lost sockets of any cause are logged once, and a wrong password apart",
    () =>
      Effect.gen(function* () {
        const { health, logs } = yield* made(healthy)
        health.connectionLost(RedisHealth.commands, "read ECONNRESET")
        health.connectionLost("reader 0", "connect ECONNREFUSED 127.0.0.1:6379")
        yield* TestClock.adjust("1500 millis")
        expect(health.unready()).toBe(null)
        health.connectionLost(RedisHealth.commands, "WRONGPASS invalid username-password pair or user is disabled.")
        yield* TestClock.adjust("1 second")
        expect(health.unready()).toBe(
          "Redis refuses connections: WRONGPASS invalid username-password pair or user is disabled."
        )
        health.connectionUp(RedisHealth.commands)
        expect(health.unready()).toBe(null)
        health.connectionUp("reader 0")
        expect(logs.lines.map(({ text }) => text)).toEqual([broke, broke, back])
      })
  )

  it("the kind of a refusal is read from its reply, also from inside a script's error", () => {
    expect(
      RedisHealth.kindOf("OOM command not allowed when used memory > 'maxmemory'. script: f_1, on @user_script:1.")
    ).toBe("OOM")
    expect(RedisHealth.kindOf("ERR Error running script: @user_script:1: -READONLY You can't write")).toBe("READONLY")
    expect(RedisHealth.kindOf("NOGROUP No such key 'a' or consumer group 'b'")).toBe(null)
  })
})
