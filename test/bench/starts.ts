/** starts: what a role's start costs until it serves, and what it holds two seconds later, when nothing has happened yet. */
import { setTimeout as delay } from "node:timers/promises"
import { start } from "../../packages/core/src/server/RedisServer.ts"
import * as Process from "../harness/Process.ts"
import type { RoleName } from "../harness/Process.ts"
import type { Figures } from "./Contest.ts"
import { Part } from "./Part.ts"
import { cpuMicros, residentMiB } from "./Spent.ts"

const settings = {
  AUTH_MODE: "header",
  SIMULATED_MODEL: "true",
  OPENAI_MODELS: "",
  GEMINI_MODELS: "",
  NEWS_SAMPLE: "true",
  // never used before a request
  DATABASE_URL: "postgres://nobody@127.0.0.1:1/none"
}

/** `raw`: the raw gateway, which loads ioredis and the project's scripts. `root`: of another copy of the project. */
export const round = async (role: RoleName | "raw", root?: string): Promise<Figures> => {
  const server = await start()
  const began = performance.now()
  const { pid, stop } =
    role === "raw"
      ? await raw(server.port)
      : await Process.start(role, { ...settings, REDIS_URL: server.url }, root === undefined ? undefined : { root })
  const [millis, cpu] = [performance.now() - began, cpuMicros(pid) / 1_000]
  await delay(2_000)
  const resident = residentMiB(pid)
  await stop()
  await server.stop()
  return { "CPU ms until it serves": cpu, "ms until it serves": millis, "RSS MiB": resident }
}
const raw = async (port: number) => {
  const part = new Part("raw.ts", [String(port)], Process.compileCache)
  await part.on("ready")
  return { pid: part.child.pid ?? 0, stop: () => part.end() }
}
