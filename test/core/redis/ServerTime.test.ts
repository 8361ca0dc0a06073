/** TIME's two numbers as one. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ServerTime from "../../../packages/core/src/redis/ServerTime.ts"

it.effect("Redis's time is its seconds and microseconds as whole milliseconds; any other reply is an error", () =>
  Effect.gen(function* () {
    expect(yield* ServerTime.decode(["1700000000", "999999"])).toBe(1_700_000_000_999)
    expect(yield* Effect.flip(ServerTime.decode(["1700000000"]))).toMatchObject({ _tag: "RedisReplyInvalid" })
  })
)
