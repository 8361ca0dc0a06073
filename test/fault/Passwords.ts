/**
 * Passwords: the password of the processes' user, in the file that they read (REDIS_PASSWORD_FILE), and its rotation while jobs
 * run. The suite's own user `outside` keeps its password, and is the one by which servers and Sentinels log in to each other.
 * Neighbours: Standalone, Cluster, Sentinel, whose servers know both users by the ACL file made here.
 */
import type { Redis } from "ioredis"
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import type { Fault } from "./Plan.ts"

/** The login of the suite, of servers and of Sentinels. */
export const outside = { username: "outside", password: "fault-suite" } as const

export interface Passwords {
  /** Arguments of every server: its users, and as which it logs in to its master. */
  readonly args: ReadonlyArray<string>
  /** What a process needs to log in. */
  readonly settings: Readonly<Record<string, string>>
  /** The password in force. */
  readonly current: () => string
  /** Injects a rotation; settles when it is over. `servers`: a connection of `outside` to each. */
  readonly rotate: (fault: Fault, servers: ReadonlyArray<Redis>) => Promise<void>
  readonly remove: () => void
}

/** Changes the processes' user on every server. */
export const setUser = async (servers: ReadonlyArray<Redis>, ...rules: ReadonlyArray<string>): Promise<void> => {
  for (const server of servers) await server.call("ACL", "SETUSER", "default", ...rules)
}
/** Closes the processes' connections to every server. */
export const closeConnections = async (servers: ReadonlyArray<Redis>): Promise<void> => {
  for (const server of servers) await server.call("CLIENT", "KILL", "USER", "default")
}

export const make = (): Passwords => {
  const folder = mkdtempSync(join(tmpdir(), "eco2-passwords-"))
  const [file, users] = ["password", "users.acl"].map((name) => join(folder, name))
  let rotations = 0
  let current = ""
  /** In one step, as whoever writes secrets does. */
  const write = (password: string) => {
    writeFileSync(`${file}.new`, password)
    renameSync(`${file}.new`, file!)
    current = password
  }
  write("password-0")
  const all = "~* &* +@all"
  writeFileSync(users!, `user default on >${current} ${all}\nuser ${outside.username} on >${outside.password} ${all}\n`)
  return {
    args: ["--aclfile", users!, "--masteruser", outside.username, "--masterauth", outside.password],
    settings: { REDIS_PASSWORD_FILE: file! },
    current: () => current,
    rotate: async ({ forMillis, kind }, servers) => {
      const old = current
      const next = `password-${++rotations}`
      if (kind === "rotation") {
        await setUser(servers, `>${next}`)
        write(next)
        await delay(forMillis)
        await setUser(servers, `<${old}`)
        await closeConnections(servers)
      } else {
        await setUser(servers, "resetpass", `>${next}`)
        await closeConnections(servers)
        await delay(forMillis)
        write(next)
      }
      // a server that starts again knows the users by the file
      for (const server of servers) await server.call("ACL", "SAVE")
    },
    remove: () => rmSync(folder, { recursive: true, force: true })
  }
}
