/**
 * Standalone: one Redis that syncs every command to disk, with a password. Its faults: it restarts, it is killed, it is full, its
 * password is rotated, and it refuses commands in each way that an operator can bring about. The suite's own user is never
 * refused.
 */
import { RedisServer } from "@eco2/core/testing"
import { Redis } from "ioredis"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import type { Backend } from "./Backend.ts"
import * as Passwords from "./Passwords.ts"
import type { Fault } from "./Plan.ts"
import { oneAtATime, until } from "./Turns.ts"

const filler = "fault-suite-filler"
/** A folder stands where a snapshot would be written, so that every snapshot fails. */
const blockedFile = "blocked.rdb"
/** Runs for longer than any fault, but ends by itself if this process is killed meanwhile. */
const longScript = "for _ = 1, 4e9 do end"
/** How long a script runs before Redis answers BUSY. */
const busyMillis = 100

export const make = async (): Promise<Backend> => {
  const passwords = Passwords.make()
  const redis = await RedisServer.start({
    args: [
      ...["--appendonly", "yes", "--appendfsync", "always", "--dbfilename", blockedFile],
      ...["--busy-reply-threshold", String(busyMillis)],
      ...passwords.args
    ]
  })
  mkdirSync(join(redis.directory, blockedFile))
  const connect = () => {
    const client = new Redis(redis.url, {
      ...Passwords.outside,
      retryStrategy: () => 50,
      maxRetriesPerRequest: null,
      // a busy Redis refuses INFO, and would so refuse to be told to end its script
      enableReadyCheck: false
    })
    client.on("error", () => undefined)
    return client
  }
  const outside = connect()

  const fill = async (forMillis: number) => {
    const used = /used_memory:(\d+)/.exec(await outside.info("memory"))?.[1] ?? "0"
    await outside.config("SET", "maxmemory", String(Number(used) + 1_000_000))
    const piece = Buffer.alloc(100_000)
    try {
      for (let i = 0; i < 1_000; i++) await outside.append(filler, piece)
    } catch {
      // full: it holds as much as it can
    }
    await delay(forMillis)
    await outside.config("SET", "maxmemory", "0")
    await outside.del(filler)
  }

  const snapshotFailed = async () => (await outside.info("persistence")).includes("rdb_last_bgsave_status:err")
  const failSnapshots = async () => {
    await outside.config("SET", "save", "3600 1")
    await outside.bgsave()
    await until("a failed snapshot", snapshotFailed)
  }

  const loop = async (forMillis: number) => {
    const looping = connect()
    let runs = true
    const ended = looping
      .eval(longScript, 0)
      .catch(() => undefined)
      .finally(() => (runs = false))
    await delay(busyMillis + forMillis)
    while (runs && (await outside.script("KILL").catch(() => "NOTBUSY")) !== "OK") await delay(20)
    await ended
    looping.disconnect()
  }

  const setDefaultUser = (...rules: ReadonlyArray<string>) => Passwords.setUser([outside], ...rules)
  const closeConnections = () => Passwords.closeConnections([outside])

  const perform = async (fault: Fault): Promise<void> => {
    const { forMillis, kind } = fault
    switch (kind) {
      case "rotation":
      case "rotation-late":
        return passwords.rotate(fault, [outside])
      case "redis-kill":
        await redis.kill9()
        return redis.restart()
      case "redis-restart":
        return redis.restart()
      case "redis-full":
        return fill(forMillis)
      case "redis-busy":
        return loop(forMillis)
      case "redis-replicas":
        await outside.config("SET", "min-replicas-to-write", "1")
        await delay(forMillis)
        return void (await outside.config("SET", "min-replicas-to-write", "0"))
      case "redis-disk":
        await failSnapshots()
        await delay(forMillis)
        return void (await outside.config("SET", "save", ""))
      case "redis-forbidden":
        await setDefaultUser("-eval", "-evalsha")
        await delay(forMillis)
        return setDefaultUser("+@all")
      case "redis-password":
        await setDefaultUser("resetpass", ">another")
        await closeConnections()
        await delay(forMillis)
        return setDefaultUser("resetpass", `>${passwords.current()}`)
      case "redis-clients":
        await outside.config("SET", "maxclients", "1")
        await closeConnections()
        await delay(forMillis)
        return void (await outside.config("SET", "maxclients", "10000"))
      default:
        throw new Error(`${kind} is no fault of a standalone Redis`)
    }
  }

  return {
    url: redis.url,
    port: redis.port,
    settings: passwords.settings,
    outside,
    keys: () => outside.keys("*"),
    inject: oneAtATime(perform),
    stop: async () => {
      outside.disconnect()
      await redis.stop()
      passwords.remove()
    }
  }
}
