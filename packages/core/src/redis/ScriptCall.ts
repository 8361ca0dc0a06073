/**
 * ScriptCall: calls scripts on a connection; the driver sends EVALSHA, and the text once where the server lacks it. On a Cluster a
 * script declares further keys (Script.declaredOnCluster). A part of RedisClient.
 */
import { Cluster } from "ioredis"
import type { Redis as StandaloneRedis } from "ioredis"
import type { Argument } from "./Command.ts"
import { cork } from "./Connection.ts"
import * as Script from "./Script.ts"

/** The function that calls a script; it defines each script on the connection once. The reply is not decoded. */
export const make = (shared: StandaloneRedis | Cluster) => {
  const known = new Set<string>()
  return (
    script: Script.Script<unknown>,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<Argument>
  ): Promise<unknown> => {
    const declared = shared instanceof Cluster ? Script.declaredOnCluster(script, keys) : keys
    if (!known.has(script.name)) {
      shared.defineCommand(script.name, { lua: script.lua, numberOfKeys: declared.length })
      known.add(script.name)
    }
    cork(shared)
    const command: unknown = Reflect.get(shared, script.name)
    return typeof command === "function"
      ? command.apply(shared, [...declared, ...args])
      : Promise.reject(new Error(`script ${script.name} is not defined`))
  }
}
