/**
 * How long the operators' lists take with many jobs: `node test/bench/lists.ts [ended jobs] [failed jobs]`, by default 100,000 and
 * 10,000, each failed one with a letter. The jobs are written as the scripts leave them, not run. Prints the median of five turns.
 */
import { Client, CoreConfig } from "@eco2/core/client"
import { DeadLetters, JobList, Operations } from "@eco2/core/operations"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import * as RedisServer from "../../packages/core/src/server/RedisServer.ts"
import { Effect, Layer, References } from "effect"
import { randomUUID } from "node:crypto"
import { median } from "./Workload.ts"

const [ended, failed] = [Number(process.argv[2] ?? 100_000), Number(process.argv[3] ?? 10_000)]
const rare = { cause: "ModelRare", owner: "rare", tag: "model:rare" }

const fill = `
local root, at = KEYS[1], tonumber(ARGV[1])
for i = 2, #ARGV, 6 do
  local id, state, owner, cause, tag = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local created = string.format("%d", at - tonumber(ARGV[i + 5]))
  local list = state == "failed" and ":failed" or ":ended"
  redis.call("HSET", root .. ":job:" .. id, "now",
    state .. " answer - - - 1 4 0 1 75 " .. created .. " 1 - " .. created .. " 5 " .. string.format("%d", at + 86400000) .. " - - " .. owner,
    "about", '{"pipeline":"scan","trace":"","hash":"","plan":"","tags":["' .. tag .. '"]}', "input", string.rep("x", 300))
  redis.call("XADD", root .. list, "*", "e", table.concat({ id, "1", state, "answer", created, "scan", cause, owner }, "\\31"))
  if state == "failed" then
    redis.call("XADD", root .. ":dead:scan.answer", "*", "job", id, "stage", "answer", "cause", cause, "message", "no answer",
      "attempts", "4", "first", created, "last", created, "run", "1")
  end
end
`

const program = Effect.gen(function* () {
  const redis = yield* RedisClient.RedisClient
  const { of, partitions } = yield* Keyspace
  const list = yield* JobList.JobList
  const letters = yield* DeadLetters.DeadLetters
  const now = Date.now()
  const before = Number(/used_memory:(\d+)/.exec(String(yield* redis.send("INFO", "memory")))?.[1])
  // a user's jobs are in the user's partition
  const users = Map.groupBy(
    Array.from({ length: 100 * partitions.length }, (_, i) => `user-${i}`),
    of
  )
  for (const [number, state] of [
    [ended, "done"],
    [failed, "failed"]
  ] as const) {
    const ids = Map.groupBy(
      Array.from({ length: number }, () => randomUUID()),
      of
    )
    for (const partition of partitions) {
      const [own, names] = [ids.get(partition) ?? [], users.get(partition) ?? []]
      for (let from = 0; from < own.length; from += 500) {
        const jobs = own.slice(from, from + 500).map((id, i) => {
          const isRare = from + i === 0 && partition === of(rare.owner)
          const owner = isRare ? rare.owner : (names[i % names.length] ?? "")
          const cause = state === "failed" ? (isRare ? rare.cause : `Cause${i % 7}`) : ""
          return [id, state, owner, cause, isRare ? rare.tag : "model:usual", own.length - from - i]
        })
        yield* redis.send("EVAL", fill, 1, partition.root, now, ...jobs.flat())
      }
    }
  }
  const sizes = yield* Effect.forEach(partitions, (partition) =>
    Effect.map(redis.send("MEMORY", "USAGE", partition.ended, "SAMPLES", 0), Number)
  )
  const after = Number(/used_memory:(\d+)/.exec(String(yield* redis.send("INFO", "memory")))?.[1])
  const size = sizes.reduce((sum, one) => sum + one, 0)
  process.stdout.write(
    `${ended} done and ${failed} failed jobs; the list takes ${(size / ended).toFixed(0)} bytes a job, all keys ${((after - before) / (ended + failed)).toFixed(0)}\n`
  )
  const timed = Effect.fnUntraced(function* <A>(
    name: string,
    look: Effect.Effect<A, { readonly message: string }>,
    told: (a: A) => string
  ) {
    const turns: Array<number> = []
    let answer = ""
    for (let turn = 0; turn < 5; turn++) {
      const from = performance.now()
      answer = told(yield* look)
      turns.push(performance.now() - from)
    }
    process.stdout.write(`${name.padEnd(34)} ${median(turns).toFixed(0).padStart(6)} ms  ${answer}\n`)
  })
  const found = ({ complete, jobs }: JobList.Found) => `${jobs.length} jobs${complete ? "" : ", not all looked at"}`
  const limit = 100
  yield* timed("ended, the newest 100", list.find({ state: "ended", limit }), found)
  yield* timed("failed, the newest 100", list.find({ state: "failed", limit }), found)
  yield* timed("failed by a rare cause", list.find({ state: "failed", cause: rare.cause, limit }), found)
  yield* timed("done of a rare owner", list.find({ state: "done", owner: rare.owner, limit }), found)
  yield* timed("ended by an unknown pipeline", list.find({ state: "ended", pipeline: "none", limit }), found)
  yield* timed("ended by the beginning of an id", list.find({ state: "ended", id: "abc", limit }), found)
  yield* timed("ended by a rare tag (first search)", list.find({ state: "ended", tag: rare.tag, limit }), found)
  yield* timed("counts of all that ended", list.count({ state: "ended" }), (a) => `${a.jobs} jobs`)
  yield* timed("letters, the newest 100", letters.list("scan.answer", { limit }), (a) => `${a.length} letters`)
  yield* timed("all letters, for their groups", letters.list("scan.answer", { limit: 10_000 }), (a) => `${a.length}`)
})

const main = Effect.gen(function* () {
  const server = yield* RedisServer.scoped()
  const base = Layer.merge(RedisClient.layerUrl(server.url), CoreConfig.layerWith({}))
  yield* Effect.provide(program, Operations.layer.pipe(Layer.provideMerge(Client.layer), Layer.provideMerge(base)))
})
await Effect.runPromise(main.pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "Warn")))
