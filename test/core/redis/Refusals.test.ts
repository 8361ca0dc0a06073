/**
 * Whatever Redis refuses, and for whatever reason: work that finishes meanwhile is kept and recorded when Redis takes it, the
 * process is unready, and the log has Redis's own words once. One real server for each refusal.
 */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect } from "effect"
import { RedisError } from "@eco2/core"
import { RedisServer } from "@eco2/core/testing"
import * as RedisHealth from "../../../packages/core/src/redis/RedisHealth.ts"
import * as Fleet from "../CoreFixture.ts"
import * as Refusals from "../../harness/Refusals.ts"
import { operator, order, working } from "./LoggedWorker.ts"

const jobs = 20
const begins = ["redis refuses commands", "redis connection failed"]

const refusing = (name: Refusals.KindName) =>
  Effect.acquireRelease(
    Effect.promise(() => Refusals.start(name)),
    (server) => Effect.promise(server.stop)
  )

// side by side: each has a server of its own, and most of what they do is wait
describe.concurrent("Redis refuses", { timeout: 90_000 }, () => {
  for (const name of Refusals.names) {
    it.live.skipIf(!Refusals.isPossible(name))(
      `A4 ${name} – results that finish meanwhile are recorded afterwards, each handler having run once`,
      () =>
        Effect.gen(function* () {
          const server = yield* refusing(name)
          const scale = yield* Deferred.make<void>()
          const runs: Array<string> = []
          let finished = 0
          const worker = yield* working(server.url, {
            // the refusal outlasts it
            lease: Duration.seconds(1),
            weigh: ({ input }, job) =>
              Effect.sync(() => void runs.push(job.id)).pipe(
                Effect.andThen(Deferred.await(scale)),
                Effect.andThen(Effect.sync(() => void finished++)),
                Effect.as({ grams: input.weight })
              )
          })
          const ids = yield* Effect.forEach(Array(jobs), () => worker.submit, { concurrency: jobs })
          yield* Fleet.until(
            Effect.sync(() => runs.length),
            (begun) => begun === jobs
          )
          yield* Effect.promise(server.begin)
          yield* Deferred.succeed(scale, undefined)
          const unready = yield* Fleet.until(worker.trouble, (said) => said?.includes(`: ${server.code} `) === true)
          expect(finished).toBe(jobs)
          const said = worker.logs.lines.filter(({ facts, text }) =>
            begins.includes(text) ? String(facts.error).startsWith(server.code) : false
          )
          // once, in Redis's own words, which the probe of readiness gets too
          expect(said.map(({ level }) => level)).toEqual(["Warn"])
          expect(unready).toContain(String(said[0]?.facts.error))
          yield* Effect.promise(server.end)
          yield* Fleet.until(worker.trouble, (trouble) => trouble === null)
          for (const id of ids) yield* worker.done(id)
          expect(runs.toSorted()).toEqual(ids.toSorted())
          // whatever it stopped (beats, reads, timers, results), no loop has a line of its own
          const others = worker.logs
            .warned()
            .filter(({ facts, text }) => !begins.includes(text) && !String(facts.error).includes("no answer within"))
          // the rules that the ACL lacks, all of them in one line
          const lacked = server.code === "NOPERM" ? ["redis does not permit what processes need"] : []
          expect(others.map(({ text }) => text)).toEqual(lacked)
          // a process is ready as soon as its connection is, and a refusal beside it is over some seconds later
          yield* Fleet.until(
            Effect.sync(() => worker.kinds("redis accepts commands again")),
            (over) => over.toString() === worker.kinds("redis refuses commands").toString()
          )
          const isBroken = worker.logs.of("redis connection failed").length > 0
          expect(worker.logs.of("redis connection restored")).toHaveLength(isBroken ? 1 : 0)
        })
    )
  }
})

describe("a permission of one command", () => {
  it.live("A4 work goes on while its process may not ask for what it holds: that is no sign that others have it", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const admin = yield* operator(server.url)
      const scale = yield* Deferred.make<void>()
      let runs = 0
      const worker = yield* working(server.url, {
        lease: Duration.seconds(1),
        weigh: ({ input }) =>
          Effect.sync(() => void runs++).pipe(Effect.andThen(Deferred.await(scale)), Effect.as({ grams: input.weight }))
      })
      const id = yield* worker.submit
      yield* Fleet.until(
        Effect.sync(() => runs),
        (begun) => begun === 1
      )
      yield* order(admin, "ACL", "SETUSER", "default", "-xpending")
      // beats that ask for it
      const refused = Effect.map(order(admin, "INFO", "errorstats"), (info) =>
        Number(/errorstat_(?:NOPERM|ERR):count=(\d+)/.exec(String(info))?.[1] ?? 0)
      )
      yield* Fleet.until(refused, (count) => count > 3)
      yield* Fleet.until(worker.trouble, (said) => said?.startsWith("Redis refuses commands: ") === true)
      yield* order(admin, "ACL", "SETUSER", "default", "+xpending")
      yield* Fleet.until(worker.trouble, (said) => said === null)
      yield* Deferred.succeed(scale, undefined)
      yield* worker.done(id)
      expect(runs).toBe(1)
      expect(worker.kinds("redis refuses commands")).toEqual(["NOPERM"])
    })
  )
})

describe("the code of a refusal", () => {
  const sha = "0123456789abcdef0123456789abcdef01234567"
  const transient = [
    ["NOREPLICAS", "NOREPLICAS Not enough good replicas to write."],
    ["NOREPLICAS", `NOREPLICAS Not enough good replicas to write. script: ${sha}, on @user_script:1.`],
    [
      "NOPERM",
      `ERR The user executing the script can't run this command or subcommand script: ${sha}, on @user_script:3.`
    ],
    [
      "NOPERM",
      `NOPERM ACL failure in script: User ann has no permissions to run the 'xadd' command script: ${sha}, on @user_script:1.`
    ],
    ["UNKILLABLE", "UNKILLABLE Sorry the script already executed write commands against the dataset."],
    ["NOTBUSY", "NOTBUSY No scripts in execution right now."],
    ["READONLY", "ERR Error running script: @user_script:1: -READONLY You can't write against a read only replica."],
    ["ERR", "ERR max number of clients reached"],
    ["ERR", "ERR upstream failure"],
    ["IOERR", "IOERR error or timeout connecting to the client"],
    ["SOMETHINGNEW", "SOMETHINGNEW that no list has"]
  ] as const
  it.each(transient)("a reply that is not known to be final is transient: %s %s", (code, reply) => {
    expect(RedisError.codeOf(reply)).toBe(code)
    expect(RedisHealth.kindOf(reply)).toBe(code)
    expect(RedisError.isTransient(new RedisError.RedisRefused({ command: "commit", code, reply }))).toBe(true)
  })

  const final = [
    ["WRONGTYPE", "WRONGTYPE Operation against a key holding the wrong kind of value"],
    ["CROSSSLOT", "CROSSSLOT Keys in request don't hash to the same slot"],
    ["NOGROUP", "NOGROUP No such key 'a' or consumer group 'b'"],
    ["BUSYGROUP", "BUSYGROUP Consumer Group name already exists"],
    ["ERR", `ERR user_script:3: attempt to index a nil value script: ${sha}, on @user_script:3.`],
    ["ERR", `ERR value is not an integer or out of range script: ${sha}, on @user_script:1.`],
    ["ERR", "ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'"],
    ["ERR", "ERR unknown command 'XACKDEL', with args beginning with: 'a'"],
    ["ERR", "ERR unknown subcommand 'NOPE'. Try CLIENT HELP."],
    ["ERR", "ERR wrong number of arguments for 'get' command"],
    ["ERR", "ERR syntax error"]
  ] as const
  it.each(final)(
    "a reply that the call gets however often it is sent is final, and no trouble of Redis's: %s %s",
    (code, reply) => {
      expect(RedisError.codeOf(reply)).toBe(code)
      expect(RedisHealth.kindOf(reply)).toBe(null)
      expect(RedisError.isTransient(new RedisError.RedisRefused({ command: "commit", code, reply }))).toBe(false)
    }
  )

  it("redirections and unknown scripts, which the driver follows, are no trouble of Redis's", () => {
    for (const reply of ["MOVED 1 a:1", "ASK 1 a:1", "TRYAGAIN Multiple keys", "NOSCRIPT No matching script."])
      expect(RedisHealth.kindOf(reply)).toBe(null)
  })

  it("the reason for a client has Redis's code and nothing else of its words", () => {
    const reply = "NOPERM User ann has no permissions to access the 'eco2:{fleet}:meta' key"
    const refused = new RedisError.RedisRefused({ command: "submit", code: "NOPERM", reply })
    expect(RedisError.reasonFor(refused)).toBe("the store does not permit it (NOPERM)")
    const strange = new RedisError.RedisRefused({ command: "submit", code: "IOERR", reply: "IOERR 10.1.2.3:6379" })
    expect(RedisError.reasonFor(strange)).toBe("the store refuses commands now (IOERR)")
  })
})
