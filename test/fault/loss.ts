/**
 * `npm run test:loss`: kills the master of each Redis mode LOSS_KILLS times (25) in each of two ways while jobs are submitted,
 * and changes the master of a Sentinel LOSS_FAILOVERS times (3) in each of three ways with each protection. Prints how many
 * acknowledged submits were lost: the tables of docs/operations/redis.md. LOSS_SEED repeats the moments of a run; LOSS_MODE runs
 * the modes whose name contains it, or `failovers`. Exit code 1 if a job was recovered in part or a kill could not be measured.
 */
import { Setting } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import { Config, Effect } from "effect"
import { between, chance } from "./Chance.ts"
import * as Failovers from "./Failovers.ts"
import * as Losses from "./Losses.ts"
import { deaths, modes } from "./RedisMode.ts"
import type { Death } from "./RedisMode.ts"
import * as SyncTrace from "./SyncTrace.ts"

const settings = Config.all({
  kills: Setting.integer("LOSS_KILLS", { default: 25, min: 1, max: 10_000 }),
  seed: Setting.integer("LOSS_SEED", { default: Math.floor(Math.random() * 1_000_000), min: 0, max: 1_000_000 }),
  failovers: Setting.integer("LOSS_FAILOVERS", { default: 3, min: 0, max: 10_000 }),
  only: Config.withDefault(Config.String("LOSS_MODE"), "")
})
/** The kills spread over a whole second, so that they meet every phase of `everysec` alike. */
const earliestMillis = 1_200
const latestMillis = 2_200

const failovers = "failovers"
const names = [...modes.map(({ name }) => name), failovers].join(", ")
/** How long a master is cut off before it may be demoted; Sentinel then takes some ten seconds. */
const cutMillis = 3_000

const say = (line: string) => Effect.sync(() => console.log(line))

const version = Effect.gen(function* () {
  const { url } = yield* RedisServer.scoped()
  const info = yield* RedisClient.RedisClient.use((redis) => redis.send("INFO", "server")).pipe(
    Effect.provide(RedisClient.layerUrl(url))
  )
  return /(?:valkey|redis)_version:(\S+)/.exec(String(info))?.[0].replace("_version:", " ") ?? "unknown"
}).pipe(Effect.scoped)

const measureFailovers = Effect.fnUntraced(function* (rounds: number, seed: number) {
  const results: Array<Parameters<typeof Failovers.table>[0][number]> = []
  for (const protection of Failovers.protections) {
    const by: Record<Failovers.Change, ReadonlyArray<Failovers.Loss>> = { killed: [], planned: [], "cut off": [] }
    for (const change of Failovers.changes) {
      const losses = yield* Effect.forEach(
        Array.from({ length: rounds }, (_, round) => round),
        (round) => {
          const share = chance(seed, protection.name, change, round)
          const afterMillis = between(share, earliestMillis, latestMillis)
          return Failovers.run({ change, protection, seed, round, afterMillis, cutMillis })
        }
      )
      by[change] = losses
      yield* say(`${protection.name}, ${change}: ${losses.map((loss) => JSON.stringify(loss)).join(" ")}`)
    }
    results.push({ protection: protection.name, by })
  }
  yield* say("")
  for (const line of Failovers.table(results)) yield* say(line)
})

const program = Effect.gen(function* () {
  const { failovers: rounds, kills, only, seed } = yield* settings
  const chosen = modes.filter(({ name }) => name.includes(only))
  if (chosen.length === 0 && !failovers.includes(only))
    return yield* Effect.fail(Setting.refuse(`LOSS_MODE is "${only}"; allowed is a part of: ${names}`))
  const server = yield* version
  yield* say(`${server}, ${kills} kills each, ${Losses.submitters} submitters; LOSS_SEED=${seed} repeats the moments`)
  const obstacle = SyncTrace.obstacle()
  if (obstacle !== null)
    yield* say(`NO FIGURE where the server must be traced (power loss of a file, slow syncs): ${obstacle}`)

  const results: Array<{ mode: string; byDeath: Record<Death, ReadonlyArray<Losses.Loss>> }> = []
  for (const mode of chosen) {
    const byDeath: Record<Death, ReadonlyArray<Losses.Loss>> = { "process kill": [], "power loss": [] }
    for (const death of deaths) {
      if (obstacle !== null && mode.traced(death)) continue
      const rounds = Array.from({ length: kills }, (_, round) =>
        Losses.kill({
          mode,
          death,
          seed,
          round,
          afterMillis: between(chance(seed, mode.name, death, round), earliestMillis, latestMillis),
          afterAcknowledged: 1
        })
      )
      const losses = yield* Effect.all(rounds)
      byDeath[death] = losses
      const rates = losses.map(({ perSecond }) => Math.round(perSecond))
      yield* say(
        `${mode.name}, ${death}: ${Math.min(...rates)} to ${Math.max(...rates)} submits/s; lost ${losses.map(({ lost }) => lost).join(" ")}`
      )
    }
    results.push({ mode: mode.name, byDeath })
  }
  yield* say("")
  for (const line of Losses.table(results)) yield* say(line)
  const torn = results.flatMap(({ byDeath }) => Object.values(byDeath).flat()).reduce((sum, loss) => sum + loss.torn, 0)
  yield* say(`\njobs that came back in part: ${torn}`)
  if (rounds > 0 && failovers.includes(only)) {
    yield* say(`\n${rounds} changes of masters each`)
    yield* measureFailovers(rounds, seed)
  }
  process.exitCode = torn === 0 ? 0 : 1
})

await Effect.runPromise(
  Effect.catch(program, (error) =>
    Effect.sync(() => {
      console.error(error.message)
      process.exitCode = 1
    })
  )
)
