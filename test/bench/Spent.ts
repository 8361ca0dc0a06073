/** Spent: what a process, or a server of many, has used so far: processor time and memory, by /proc (Linux), and of Redis by INFO. */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import type { RedisServer } from "../../packages/core/src/server/RedisServer.ts"

/** Of the kernel's clock, by which /proc counts a process's time. */
const ticksPerSecond = 100

/** Microseconds, user and system. */
export const cpuMicros = (pid: number): number => {
  const [, after = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")
  const fields = after.split(" ")
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / ticksPerSecond
}

/** Microseconds of a process, of those that it has started, and of those of them that have ended. */
export const familyMicros = (pid: number): number => {
  const [, after = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")
  const ended = after.split(" ").slice(13, 15)
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number)
  const running = children.map((child) => {
    try {
      return cpuMicros(child)
    } catch {
      return 0 // it has just ended
    }
  })
  const ticks = ended.reduce((sum, ticks) => sum + Number(ticks), 0)
  return cpuMicros(pid) + (ticks * 1e6) / ticksPerSecond + running.reduce((sum, micros) => sum + micros, 0)
}

export const residentMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1_024

const cli = process.env.TEST_REDIS?.replace(/-server$/, "-cli") || "redis-cli"

/** The numbers of INFO. */
export const redisInfo = (server: Pick<RedisServer, "port">): Record<string, number> => {
  const { stdout } = spawnSync(cli, ["-p", String(server.port), "info"], { encoding: "utf8", timeout: 20_000 })
  return Object.fromEntries([...stdout.matchAll(/^(\w+):([\d.]+)\r?$/gm)].map((match) => [match[1], Number(match[2])]))
}
/** Microseconds, user and system. */
export const redisMicros = (server: Pick<RedisServer, "port">): number => {
  const info = redisInfo(server)
  return 1e6 * ((info.used_cpu_user ?? 0) + (info.used_cpu_sys ?? 0))
}
