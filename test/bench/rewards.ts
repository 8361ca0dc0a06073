/**
 * Rows a second that the savers write: batches of 50 in one statement against one statement for each row, in the same run, on a
 * private PostgreSQL. `node test/bench/rewards.ts [rows]`.
 */
import { Duration, Effect } from "effect"
import { Postgres } from "@eco2/core/postgres"
import { PostgresServer } from "@eco2/core/testing"
import { prepareDatabase } from "@eco2/actors/characters"
import * as RewardStore from "../../packages/actors/src/character/RewardStore.ts"

const rows = Number(process.argv[2] ?? 10_000)
const server = await PostgresServer.start()
const reward = (i: number): RewardStore.UserCharacter => ({
  userId: `user ${i}`,
  characterId: "28614b3e-15a4-5d5b-8259-7fa911a2e381",
  code: "char-petty",
  source: "scan",
  acquired: i,
  name: "페티",
  type: "페트병",
  dialog: "라벨을 벗으니 속까지 시원해! 투명한 내가 폭신한 새 옷으로 변신할 차례야."
})
const measure = Effect.fnUntraced(function* (name: string, size: number, concurrency: number, from: number) {
  const batches = Array.from({ length: rows / size }, (_, b) =>
    Array.from({ length: size }, (_, i) => reward(from + b * size + i))
  )
  const since = performance.now()
  yield* Effect.forEach(
    batches,
    (batch) => Effect.andThen(RewardStore.saveOwnerships(batch), RewardStore.saveUserCharacters(batch)),
    { concurrency, discard: true }
  )
  const seconds = (performance.now() - since) / 1000
  console.log(`${name.padEnd(34)} ${Math.round((2 * rows) / seconds)} rows/s`)
})
const program = Effect.gen(function* () {
  yield* prepareDatabase
  let from = 0
  for (let round = 0; round < 2; round++) {
    for (const [name, size, concurrency] of [
      ["one row a statement, one at a time", 1, 1],
      ["one row a statement, 10 at once", 1, 10],
      ["50 rows a statement, one at a time", 50, 1],
      ["50 rows a statement, 10 at once", 50, 10]
    ] as const) {
      yield* measure(name, size, concurrency, from)
      from += rows
    }
  }
})
await Effect.runPromise(
  Effect.provide(program, Postgres.layerUrl(server.url(), { pool: 10, timeout: Duration.seconds(10) }))
)
await server.stop()
