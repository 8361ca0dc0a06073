/**
 * peers: what a job costs with other durable runtimes, each on a new store of its own: the runtime (eco2.ts) on Redis,
 * graphile-worker (graphile.ts) and DBOS (dbos.ts) on PostgreSQL, Restate (restate.ts) on its own server. The workload is that of
 * Workload.ts. A step that is done survives more with one than with another, so each says what it syncs.
 * A peer whose store is not installed is left out, with a line on stderr.
 */
import { spawn } from "node:child_process"
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import * as RedisServer from "../../packages/core/src/server/RedisServer.ts"
import * as PostgresServer from "../../packages/core/src/testing/PostgresServer.ts"
import type { Figures } from "./Contest.ts"
import { costs, everySecond } from "./jobs.ts"
import type { Size } from "./jobs.ts"
import { Part } from "./Part.ts"
import { cpuMicros, familyMicros, redisMicros } from "./Spent.ts"

interface Store {
  /** Arguments of the contender's processes that say where it is. */
  readonly at: ReadonlyArray<string>
  /** Processor time so far. */
  readonly micros: () => number
  readonly stop: () => Promise<void>
}
interface Contender {
  readonly file: string
  readonly syncs: string
  readonly store: () => Promise<Store>
  /** What is missing on this machine; undefined: nothing. */
  readonly missing?: () => string | undefined
}

const redis = (appendfsync: "everysec" | "always") => async (): Promise<Store> => {
  const server = await RedisServer.start({ args: [...everySecond, "--appendfsync", appendfsync] })
  return { at: [String(server.port)], micros: () => redisMicros(server), stop: () => server.stop() }
}

const postgres = {
  missing: () => (PostgresServer.isInstalled() ? undefined : "no PostgreSQL server is installed"),
  store: async (): Promise<Store> => {
    const server = await PostgresServer.start({ settings: [] })
    return {
      at: [await server.database("bench")],
      micros: () => familyMicros(server.pid),
      stop: () => server.stop()
    }
  }
}

/** The server's binary; npm installs the package of this platform, if there is one. */
const restateServer = (): string | undefined => {
  try {
    const { resolve } = createRequire(import.meta.url)
    const path = resolve(`@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`)
    accessSync(path, constants.X_OK)
    return path
  } catch {
    return undefined
  }
}
const restate = {
  missing: () =>
    restateServer() === undefined
      ? `no restate-server for ${process.platform}-${process.arch} is installed`
      : undefined,
  store: async (): Promise<Store> => {
    const folder = mkdtempSync(join(tmpdir(), "eco2-restate-"))
    const [node, ingress, admin] = await Promise.all([1, 2, 3].map(() => RedisServer.freePort()))
    const child = spawn(restateServer()!, ["--base-dir", folder, "--listen-mode", "tcp", "--no-logo"], {
      stdio: ["ignore", "ignore", "inherit"],
      env: {
        PATH: process.env.PATH,
        DO_NOT_TRACK: "1",
        // octocrab looks for newer releases
        RESTATE_LOG_FILTER: "warn,octocrab=off",
        RESTATE_DISABLE_TELEMETRY: "true",
        RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
        RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
        RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`
      }
    })
    const kill = () => child.kill("SIGKILL")
    process.on("exit", kill)
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()))
    const urls = [`http://127.0.0.1:${ingress}`, `http://127.0.0.1:${admin}`]
    const healthy = async (url: string): Promise<void> => {
      const answer = await fetch(url).catch(() => undefined)
      if (answer?.ok) return
      if (child.exitCode !== null) throw new Error(`restate-server ended with ${child.exitCode}`)
      await delay(50)
      return healthy(url)
    }
    await Promise.all([healthy(`${urls[0]}/restate/health`), healthy(`${urls[1]}/health`)])
    return {
      at: urls,
      micros: () => cpuMicros(child.pid!),
      stop: async () => {
        process.off("exit", kill)
        kill()
        await exited
        rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
      }
    }
  }
}

const syncsEachCommit = "PostgreSQL's defaults (fsync and synchronous_commit on): every commit"
const contenders: Readonly<Record<string, Contender>> = {
  eco2: {
    file: "eco2.ts",
    syncs: "appendfsync everysec: once a second, not before an answer",
    store: redis("everysec")
  },
  "eco2 always": {
    file: "eco2.ts",
    syncs: "appendfsync always: every write, before its answer",
    store: redis("always")
  },
  "graphile-worker": { file: "graphile.ts", syncs: syncsEachCommit, ...postgres },
  dbos: { file: "dbos.ts", syncs: syncsEachCommit, ...postgres },
  restate: {
    file: "restate.ts",
    syncs: "restate-server's defaults: every append to its log, those of the same moment together",
    ...restate
  }
}

export const syncs = Object.entries(contenders)
  .map(([name, contender]) => `- ${name}: ${contender.syncs}`)
  .join("\n")

/** Those that can run here. */
export const names = (): ReadonlyArray<string> =>
  Object.entries(contenders).flatMap(([name, { missing }]) => {
    const trouble = missing?.()
    if (trouble === undefined) return [name]
    process.stderr.write(`without ${name}: ${trouble}\n`)
    return []
  })

export const round = async (name: string, size: Size): Promise<Figures> => {
  const { file, store } = contenders[name]!
  const { at, micros, stop } = await store()
  const worker = new Part(file, ["worker", ...at])
  await worker.on("ready")
  const submitter = new Part(file, ["submitter", ...at])
  await submitter.on("ready")
  const figures = await costs({ submitter, workers: [worker] }, { name: "store", micros }, size)
  await Promise.all([submitter.end(), worker.end()])
  await stop()
  return figures
}
