/** ServerTime: Redis's clock, the same for all processes, read outside a script. */
import { Effect, Schema } from "effect"
import { decodeReply } from "./RedisClient.ts"
import type { RedisReplyInvalid } from "./RedisError.ts"

const decodeTime = decodeReply("TIME", Schema.Tuple([Schema.NumberFromString, Schema.NumberFromString]))

/** TIME's answer, seconds and microseconds, as epoch milliseconds. */
export const decode = (reply: unknown): Effect.Effect<number, RedisReplyInvalid> =>
  Effect.map(decodeTime(reply), ([seconds, micros]) => seconds * 1_000 + Math.floor(micros / 1_000))
