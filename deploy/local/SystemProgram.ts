/**
 * SystemProgram: finds and installs programs that come from the operating system, not from npm. It runs before anything else,
 * so it uses Node alone.
 */
import { spawn } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { delimiter, isAbsolute, join, resolve } from "node:path"
import * as PostgresPrograms from "../../packages/core/src/server/PostgresPrograms.ts"

export interface Program {
  /** Possible file names, the preferred one first. */
  readonly names: ReadonlyArray<string>
  /** Environment variable that names its path, if there is one. */
  readonly variable?: string
  /** Folders to look in beside PATH. */
  readonly folders?: () => ReadonlyArray<string>
  /** Packages that contain it, by package manager; the first that can be installed is used. */
  readonly packages: Readonly<Record<Manager, ReadonlyArray<string>>>
}

type Manager = "apt-get" | "dnf" | "apk"

export const redisServer: Program = {
  names: ["redis-server", "valkey-server"],
  // so that a start made by a test uses the same server as the test (core/src/server/RedisServer)
  variable: "TEST_REDIS",
  packages: { "apt-get": ["redis-server", "valkey-server"], dnf: ["valkey", "redis"], apk: ["redis", "valkey"] }
}

export const chromium: Program = {
  names: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
  variable: "CHROMIUM_PATH",
  packages: { "apt-get": ["chromium"], dnf: ["chromium"], apk: ["chromium"] }
}

/** A PostgreSQL server, for tests alone; `npm start` has an embedded one. */
export const postgresServer: Program = {
  names: ["initdb"],
  folders: PostgresPrograms.folders,
  packages: { "apt-get": ["postgresql"], dnf: ["postgresql-server"], apk: ["postgresql"] }
}

/** A proxy in front of gateways, for tests alone. */
export const nginx: Program = {
  names: ["nginx"],
  packages: { "apt-get": ["nginx-light", "nginx"], dnf: ["nginx"], apk: ["nginx"] }
}

/** The program is missing and was not installed, or we may not look for it; the message says what to do. */
export class ProgramMissing extends Error {
  override readonly name = "ProgramMissing"
}

const managers: Readonly<
  Record<Manager, { readonly refresh: ReadonlyArray<string>; readonly add: ReadonlyArray<string> }>
> = {
  "apt-get": { refresh: ["update", "-qq"], add: ["install", "-y", "-qq", "--no-install-recommends"] },
  dnf: { refresh: [], add: ["install", "-y", "-q"] },
  apk: { refresh: [], add: ["add", "--no-cache", "--quiet"] }
}
const managerNames: ReadonlyArray<Manager> = ["apt-get", "dnf", "apk"]
/** Usual folders of servers and of Homebrew's programs, in case PATH lacks them. */
export const usualFolders = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"]

/** Absolute path of the program, or undefined. Throws ProgramMissing if a missing permission (Deno's) hides it. */
export function find(program: Pick<Program, "names" | "variable" | "folders">): string | undefined {
  const path = (process.env.PATH ?? "").split(delimiter).filter(isAbsolute)
  const folders = [...path, ...usualFolders, ...(program.folders?.() ?? [])]
  const named = program.variable === undefined ? undefined : process.env[program.variable]
  const places = program.names.flatMap((name) => folders.map((folder) => join(folder, name)))
  let denied: unknown
  const found = (named ? [resolve(named)] : places).find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch (error) {
      if (!PostgresPrograms.isAbsence(error)) denied ??= error
      return false
    }
  })
  if (found === undefined && denied !== undefined) {
    const reason = denied instanceof Error ? denied.message : String(denied)
    throw new ProgramMissing(`cannot look for ${program.names.join(" or ")}: ${reason}`)
  }
  return found
}

/** Runs a command silently; resolves with the last lines it wrote, or "" on success. */
const run = (command: string, words: ReadonlyArray<string>) =>
  new Promise<string>((resolve) => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
    const child = spawn(command, words, { stdio: ["ignore", "pipe", "pipe"], env })
    let output = ""
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString("utf8")).slice(-4000)
    }
    child.stdout.on("data", keep)
    child.stderr.on("data", keep)
    child.once("error", (error) => resolve(error.message))
    child.once("close", (code) =>
      resolve(code === 0 ? "" : output.trim().split("\n").slice(-5).join("\n") || `code ${code}`)
    )
  })

/**
 * The program's path. If it is missing and may be installed (as root, with a known package manager), announces the installation
 * by `say` and installs it. Rejects with ProgramMissing.
 */
export async function ensure(program: Program, say: (line: string) => void): Promise<string> {
  const present = find(program)
  if (present !== undefined) return present
  const named = program.variable === undefined ? undefined : process.env[program.variable]
  if (named) throw new ProgramMissing(`${program.variable}=${named} names no program that can be run`)
  const [name] = program.names
  const manager = managerNames.find((candidate) => find({ names: [candidate] }) !== undefined)
  if (manager === undefined) {
    const way =
      process.platform === "darwin"
        ? `brew install ${{ "redis-server": "redis", initdb: "postgresql" }[name ?? ""] ?? name}`
        : "your package manager"
    throw new ProgramMissing(`${program.names.join(" or ")} is required but not installed: install it with ${way}`)
  }
  const { refresh, add } = managers[manager]
  const packages = program.packages[manager]
  const byHand = `${manager} ${add[0]} ${packages[0]}`
  if (process.getuid?.() !== 0) {
    throw new ProgramMissing(`${program.names.join(" or ")} is required but not installed: run \`sudo ${byHand}\``)
  }
  if (refresh.length > 0) await run(manager, refresh)
  let trouble = ""
  for (const name of packages) {
    say(`installing ${name} with ${manager} …`)
    trouble = await run(manager, [...add, name])
    const installed = find(program)
    if (installed !== undefined) return installed
  }
  throw new ProgramMissing(`\`${byHand}\` did not install ${program.names.join(" or ")}: ${trouble}`)
}
