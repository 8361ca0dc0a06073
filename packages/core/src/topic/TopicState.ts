/**
 * TopicState: a topic's state in Redis: one hash, whose field "" names the last event it contains. publish.lua writes it;
 * TopicFollower reads it with one HGETALL, so that this place and the fields are consistent without a script.
 */
import { Effect, Schema } from "effect"
import * as Pairs from "../redis/Pairs.ts"
import { decodeReply } from "../redis/RedisClient.ts"
import type { RedisReplyInvalid } from "../redis/RedisError.ts"

/** The number of events so far, and the log's entry id of the last. */
export interface Head {
  readonly count: number
  readonly id: string
}
/** The head of a topic without events. */
const start: Head = { count: 0, id: "0-0" }

export const headField = ""

const headOf = (text: string | null | undefined): Head => {
  const [, count = "", id = ""] = /^(\d+) (\d+-\d+)$/.exec(text ?? "") ?? []
  return id === "" ? start : { count: Number(count), id }
}

const decodeField = decodeReply("HGET", Schema.NullOr(Schema.String))
export const decodeHead = (reply: unknown): Effect.Effect<Head, RedisReplyInvalid> =>
  Effect.map(decodeField(reply), headOf)

const decodePairs = decodeReply("HGETALL", Schema.Array(Schema.String))
export const decodeState = (
  reply: unknown
): Effect.Effect<{ readonly head: Head; readonly fields: ReadonlyMap<string, string> }, RedisReplyInvalid> =>
  Effect.map(decodePairs(reply), (flat) => {
    const fields = new Map(Pairs.toMap(flat))
    const head = headOf(fields.get(headField))
    fields.delete(headField)
    return { head, fields }
  })
