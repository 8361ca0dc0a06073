/** starts: what a role's start costs until it serves, and what it holds two seconds later, when nothing has happened yet. */
import { setTimeout as delay } from "node:timers/promises"
import { start } from "../../packages/core/src/server/RedisServer.ts"
import * as PostgresServer from "../../packages/core/src/testing/PostgresServer.ts"
import { runWith } from "../deploy/cli/Operating.ts"
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
  DATABASE_POOL: "2"
}

/** Of all rounds: some roles serve only once they have read their tables. It ends with the benchmark. */
let database: Promise<PostgresServer.PostgresServer> | undefined
const migrated = async () => {
  const server = await PostgresServer.start()
  await runWith({ DATABASE_URL: server.url() })("migrate")
  return server
}

/** `raw`: the raw gateway, which loads ioredis and the project's scripts. `root`: of another copy of the project. */
export const round = async (role: RoleName | "raw", root?: string): Promise<Figures> => {
  const server = await start()
  const urls = { REDIS_URL: server.url, DATABASE_URL: (await (database ??= migrated())).url() }
  const began = performance.now()
  const { pid, stop } =
    role === "raw"
      ? await raw(server.port)
      : await Process.start(role, { ...settings, ...urls }, root === undefined ? undefined : { root })
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
