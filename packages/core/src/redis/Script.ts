/**
 * Script: a Lua file as a typed call. The file's header is its contract (KEYS, ARGV, reply, why atomic, cost).
 * A script may name preludes, files that are put in front of it: Lua in Redis has no imports.
 * Run by RedisClient, which sends EVALSHA and falls back to EVAL.
 */
import { Effect, Schema } from "effect"
import { readFileSync } from "node:fs"
import { RedisReplyInvalid } from "./RedisError.ts"

/** Prelude of every script that needs the time: `now`, `real_now`, `now_text`, `int`. */
export const clock = new URL("./scripts/clock.lua", import.meta.url)

export interface Script<A> {
  readonly name: string
  readonly lua: string
  readonly numberOfKeys: number
  readonly decode: (reply: unknown) => Effect.Effect<A, RedisReplyInvalid>
}

/**
 * - `file`: URL of the .lua file; its base name is the script's name in errors, logs and metrics
 * - `preludes`: files put before it, in order
 * - `reply`: schema of the script's answer; anything else is RedisReplyInvalid
 */
export const make = <A>(options: {
  readonly file: URL
  readonly preludes?: ReadonlyArray<URL>
  readonly numberOfKeys: number
  readonly reply: Schema.ConstraintDecoder<A>
}): Script<A> => {
  const name = options.file.pathname.replace(/^.*\//, "").replace(/\.lua$/, "")
  const decodeReply = Schema.decodeUnknownEffect(options.reply)
  return {
    name,
    numberOfKeys: options.numberOfKeys,
    lua: [...(options.preludes ?? []), options.file].map((file) => readFileSync(file, "utf8")).join("\n"),
    decode: (reply) =>
      Effect.mapError(decodeReply(reply), (issue) => new RedisReplyInvalid({ command: name, reason: String(issue) }))
  }
}
