/**
 * Script: a Lua file as a typed call. The file's header is its contract (KEYS, ARGV, reply, why atomic, cost).
 * A script may name preludes, files that are put in front of it: Lua in Redis has no imports.
 * Run by RedisClient, which sends EVALSHA and falls back to EVAL.
 */
import { Exit, Schema } from "effect"
import { readFileSync } from "node:fs"
import { RedisReplyInvalid } from "./RedisError.ts"

/** Prelude of every script that needs the time: `now`, `real_now`, `now_text`, `int`. */
export const clock = new URL("./scripts/clock.lua", import.meta.url)

export interface Script<A> {
  readonly name: string
  readonly lua: string
  readonly numberOfKeys: number
  /** Whether it uses keys that it does not declare: it builds their names from KEYS[1], a root. */
  readonly buildsKeys: boolean
  readonly decode: (reply: unknown) => Exit.Exit<A, RedisReplyInvalid>
}

/** In Lua without comments: a key's name put together from a root. */
const buildsName = /(?:\bKEYS\[\d+\]|\broot)\s*\.\./

/**
 * - `file`: URL of the .lua file; its base name is the script's name in errors, logs and metrics
 * - `preludes`: files put before it, in order
 * - `numberOfKeys`: how many keys it declares, which are then all it uses; "root": one, KEYS[1], from which it builds the names of
 *   all keys it uses. RedisClient declares one more for it on a Cluster (docs/decisions/0033-no-script-on-half-a-slot.md)
 * - `reply`: schema of the script's answer; anything else is RedisReplyInvalid
 */
export const make = <A>(options: {
  readonly file: URL
  readonly preludes?: ReadonlyArray<URL>
  readonly numberOfKeys: number | "root"
  readonly reply: Schema.ConstraintDecoder<A>
}): Script<A> => {
  const name = options.file.pathname.replace(/^.*\//, "").replace(/\.lua$/, "")
  const decodeReply = Schema.decodeUnknownExit(options.reply)
  const lua = [...(options.preludes ?? []), options.file].map((file) => readFileSync(file, "utf8")).join("\n")
  const buildsKeys = options.numberOfKeys === "root"
  if (buildsName.test(lua.replace(/--.*$/gm, "")) !== buildsKeys) {
    throw new Error(`numberOfKeys of script ${name} must ${buildsKeys ? "count its keys" : 'be "root"'}`)
  }
  return {
    name,
    numberOfKeys: options.numberOfKeys === "root" ? 1 : options.numberOfKeys,
    buildsKeys,
    lua,
    decode: (reply) =>
      Exit.mapError(decodeReply(reply), (issue) => new RedisReplyInvalid({ command: name, reason: String(issue) }))
  }
}

/**
 * The keys a script declares on a Cluster. While its slot moves, a master answers a script by the keys it declares alone: with one
 * that is absent, the new master would run it on the part of the slot that has arrived. A script that builds names declares two
 * absent keys, its root and one more: no master runs it until the slot is whole again; they answer TRYAGAIN, which the driver
 * repeats. KEYS of the script's header keep their numbers.
 */
export const declaredOnCluster = (script: Script<unknown>, keys: ReadonlyArray<string>): ReadonlyArray<string> =>
  script.buildsKeys ? [...keys, `${keys[0]}:absent`] : keys
