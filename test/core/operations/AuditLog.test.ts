/** What operators did is kept, the newest first, within bounds. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { AuditLog } from "@eco2/core/operations"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const act = {
  who: "kim",
  role: "operator",
  what: "ops.redrive",
  target: "mailbox=x",
  outcome: "ok",
  before: "",
  after: ""
}

it.live("acts are listed the newest first, page by page, with their fields cut to a bound", () =>
  Effect.gen(function* () {
    const client = yield* Fleet.joined(redis.url)
    const use = <A, E>(of: (log: AuditLog.AuditLog["Service"]) => Effect.Effect<A, E>) =>
      client.run(Effect.flatMap(AuditLog.AuditLog, of).pipe(Effect.provide(AuditLog.layer)))
    for (let n = 0; n < 5; n++) yield* use((log) => log.record({ ...act, target: `n=${n}` }))
    yield* use((log) => log.record({ ...act, after: "x".repeat(5_000) }))
    const first = yield* use((log) => log.list({ limit: 3, before: null }))
    expect(first.map(({ target }) => target)).toEqual(["mailbox=x", "n=4", "n=3"])
    expect(first[0]).toMatchObject({ ...act, after: "x".repeat(2_000), at: expect.any(Number) })
    const second = yield* use((log) => log.list({ limit: 10, before: first.at(-1)!.id }))
    expect(second.map(({ target }) => target)).toEqual(["n=2", "n=1", "n=0"])
  })
)
