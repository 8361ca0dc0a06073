/**
 * Refusals: the ways in which a real Redis refuses commands or connections, each with a server that can be told to begin and
 * to end it. Refused are all clients but the operator's own connection, which is open before.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs"
import { networkInterfaces, tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Redis } from "ioredis"
import { RedisServer } from "@eco2/core/testing"
import { find, redisServer } from "../../deploy/local/SystemProgram.ts"
import * as Program from "./Program.ts"

export interface Refusal {
  /** The code of Redis's reply. */
  readonly code: string
  readonly begin: () => Promise<void>
  readonly end: () => Promise<void>
}

export interface RefusingServer extends Refusal {
  /** The REDIS_URL of the processes that are refused. */
  readonly url: string
  readonly stop: () => Promise<void>
}

interface Setting {
  readonly server: RedisServer.RedisServer
  readonly admin: Redis
  /** Closes every connection but the operator's. */
  readonly cutOff: () => Promise<unknown>
}

interface Kind {
  readonly args?: ReadonlyArray<string>
  readonly password?: string
  /** The host by which processes reach the server, by default loopback; null: this machine has none that will do. */
  readonly host?: () => string | null
  readonly program?: (folder: string) => string
  /** Whether this machine has what it takes; by default it has. */
  readonly isPossible?: () => boolean
  readonly make: (setting: Setting) => Refusal
}

const untilSaid = async (look: () => Promise<string>, wanted: RegExp) => {
  const deadline = performance.now() + 10_000
  while (!wanted.test(await look())) {
    if (performance.now() > deadline) throw new Error(`the server never reported ${wanted.source}`)
    await delay(20)
  }
}

/** An address of this machine that is not loopback, which protected mode refuses. */
const outsideAddress = (): string | null =>
  Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? null

/** A server that survives a file that may not grow: its limit stands in for a disk that is full. */
const limitable = (folder: string): string => {
  const path = join(folder, "limitable")
  Program.write(path, ["trap '' XFSZ", `exec '${find(redisServer)}' "$@"`])
  return path
}
const limitFiles = (pid: number, bytes: string) =>
  void execFileSync("prlimit", ["--pid", String(pid), `--fsize=${bytes}:unlimited`])

export const kinds = {
  "too few replicas": {
    make: ({ admin }) => ({
      code: "NOREPLICAS",
      begin: async () => void (await admin.config("SET", "min-replicas-to-write", 1)),
      end: async () => void (await admin.config("SET", "min-replicas-to-write", 0))
    })
  },
  "a snapshot that fails": {
    args: ["--enable-protected-configs", "yes"],
    make: ({ admin, server }) => {
      const gone = join(server.directory, "gone")
      const saved = (status: string) =>
        untilSaid(() => admin.info("persistence"), new RegExp(`rdb_last_bgsave_status:${status}`))
      return {
        code: "MISCONF",
        begin: async () => {
          mkdirSync(gone)
          await admin.config("SET", "save", "3600 1000000", "dir", gone)
          rmdirSync(gone)
          await admin.bgsave()
          await saved("err")
        },
        end: async () => {
          await admin.config("SET", "dir", server.directory)
          await admin.bgsave()
          await saved("ok")
        }
      }
    }
  },
  "a disk that is full": {
    args: ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"],
    program: limitable,
    isPossible: () => spawnSync("prlimit", ["--version"]).error === undefined,
    make: ({ admin, server }) => ({
      code: "MISCONF",
      begin: async () => {
        limitFiles(server.pid, "1")
        await admin.set("filler", "a").catch(() => undefined)
        await untilSaid(() => admin.info("persistence"), /aof_last_write_status:err/)
      },
      end: async () => {
        limitFiles(server.pid, "unlimited")
        await untilSaid(() => admin.info("persistence"), /aof_last_write_status:ok/)
      }
    })
  },
  "a script that does not end": {
    args: ["--busy-reply-threshold", "50"],
    make: ({ admin, server }) => {
      const other = new Redis(server.url, { protocol: 2, retryStrategy: () => null })
      other.on("error", () => undefined)
      return {
        code: "BUSY",
        begin: async () => {
          await other.ping()
          other.eval("while true do end", 0).catch(() => undefined)
          await delay(100)
        },
        end: async () => {
          await admin.script("KILL")
          other.disconnect()
        }
      }
    }
  },
  "a permission that was withdrawn": {
    make: ({ admin }) => ({
      code: "NOPERM",
      begin: async () => void (await admin.call("ACL", "SETUSER", "default", "-evalsha", "-eval")),
      end: async () => void (await admin.call("ACL", "SETUSER", "default", "+evalsha", "+eval"))
    })
  },
  "a password that was rotated": {
    password: "old",
    make: ({ admin, cutOff }) => ({
      code: "WRONGPASS",
      begin: async () => {
        await admin.config("SET", "requirepass", "new")
        await cutOff()
      },
      end: async () => void (await admin.config("SET", "requirepass", "old"))
    })
  },
  "a password that was set": {
    make: ({ admin, cutOff }) => ({
      code: "NOAUTH",
      begin: async () => {
        await admin.config("SET", "requirepass", "new")
        await cutOff()
      },
      end: async () => void (await admin.config("SET", "requirepass", ""))
    })
  },
  "protected mode": {
    args: ["--bind", "0.0.0.0", "--protected-mode", "no"],
    host: outsideAddress,
    make: ({ admin, cutOff }) => ({
      code: "DENIED",
      begin: async () => {
        await admin.config("SET", "protected-mode", "yes")
        await cutOff()
      },
      end: async () => void (await admin.config("SET", "protected-mode", "no"))
    })
  },
  "too many clients": {
    make: ({ admin, cutOff }) => ({
      code: "ERR",
      begin: async () => {
        await admin.config("SET", "maxclients", 1)
        await cutOff()
      },
      end: async () => void (await admin.config("SET", "maxclients", 1000))
    })
  }
} satisfies Readonly<Record<string, Kind>>
export type KindName = keyof typeof kinds

export const names = Object.keys(kinds) as ReadonlyArray<KindName>

/** Whether this machine can make a server refuse in this way. */
export const isPossible = (name: KindName): boolean => {
  const { host, isPossible: hasTools }: Kind = kinds[name]
  return host?.() !== null && hasTools?.() !== false
}

/** A server of its own that can refuse in this way. The caller stops it. */
export const start = async (name: KindName): Promise<RefusingServer> => {
  const { args = [], host, make, password, program }: Kind = kinds[name]
  const directory = mkdtempSync(join(tmpdir(), "eco2-refusing-"))
  const server = await RedisServer.start({
    args: [...args, ...(password === undefined ? [] : ["--requirepass", password])],
    directory,
    ...(program === undefined ? {} : { program: program(directory) })
  })
  const admin = new Redis(server.url, { protocol: 2, ...(password === undefined ? {} : { password }) })
  admin.on("error", () => undefined)
  await admin.ping()
  const cutOff = () => admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
  const login = password === undefined ? "" : `:${password}@`
  return {
    ...make({ server, admin, cutOff }),
    url: `redis://${login}${host?.() ?? "127.0.0.1"}:${server.port}`,
    stop: async () => {
      admin.disconnect()
      await server.stop()
      rmSync(directory, { recursive: true, force: true })
    }
  }
}
