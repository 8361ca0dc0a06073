/**
 * DenoPermissions: the Deno permissions of each role, and no more. scripts/deno.ts starts roles with this list, and
 * docs/operations/roles.md shows it. Every role may read its whole environment (settings are looked up there) and the machine's
 * name (which is in each log line).
 */
import { existsSync, realpathSync } from "node:fs"
import { delimiter, dirname, isAbsolute, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as OperatorAccess from "./OperatorAccess.ts"
import { usualFolders } from "./SystemProgram.ts"

type Environment = Readonly<Record<string, string | undefined>>

interface Role {
  /** A file of this checkout. */
  readonly main: string
  /** Folders of this checkout with the scripts, prompts, rules and pages that the role loads. */
  readonly reads: ReadonlyArray<string>
  /** Whether it looks up the hosts of strangers' URLs (NameLookup). */
  readonly looksUp?: true
  /** Settings with the addresses that the role connects to. Absent: hosts that cannot be listed beforehand. */
  readonly speaksTo?: ReadonlyArray<string>
}

const core = "packages/core/src"
const actors = "packages/actors/src"
const gateway = "packages/gateway/src"
const news = "packages/news/src"
const stores = ["REDIS_URL", "DATABASE_URL"]

export const roles: Readonly<Record<string, Role>> = {
  gateway: {
    main: `${gateway}/main.ts`,
    reads: [core, actors, gateway],
    speaksTo: [...stores, "JWKS_URL", "IMAGE_STORE"]
  },
  authz: { main: `${gateway}/authz/main.ts`, reads: [core, gateway], speaksTo: ["REDIS_URL", "JWKS_URL"] },
  // models, and photos by their address
  "scan-worker": { main: `${actors}/main.ts`, reads: [core, actors], looksUp: true },
  "character-match": { main: `${actors}/character/matchMain.ts`, reads: [core, actors], speaksTo: stores },
  "character-worker": { main: `${actors}/character/workerMain.ts`, reads: [core, actors], speaksTo: stores },
  "news-api": { main: `${news}/api.ts`, reads: [core, news], speaksTo: stores },
  // sources, and the pages of articles
  "news-worker": { main: `${news}/main.ts`, reads: [core, news], looksUp: true },
  all: { main: "deploy/local/main.ts", reads: [core, actors, gateway, news], looksUp: true }
}

const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const isSet = (value: string | undefined): value is string => value !== undefined && value !== ""
/** Joins values with commas; a comma within a path is doubled. */
const list = (values: ReadonlyArray<string>) => [...new Set(values)].map((one) => one.replaceAll(",", ",,")).join(",")
/** The path as written and, if it exists, without symbolic links: Deno compares both. */
const folder = (path: string) => {
  const absolute = resolve(path)
  return existsSync(absolute) ? [absolute, realpathSync(absolute)] : [absolute]
}

/** Settings that name a file. Its folder is read: a renewed file often comes as a new one, behind a link. */
const files = [
  "REDIS_PASSWORD_FILE",
  ...["REDIS", "DATABASE"].flatMap((store) => ["CA", "CERT", "KEY"].map((part) => `${store}_${part}_FILE`))
]
const foldersOf = (env: Environment) =>
  files
    .map((name) => env[name])
    .filter(isSet)
    .flatMap((path) => folder(dirname(path)))

/** What a look-up of a name reads. */
const namesFiles = ["/etc/hosts", "/etc/resolv.conf"]

const usualPort: Readonly<Record<string, string>> = {
  "redis:": "6379",
  "rediss:": "6379",
  "postgres:": "5432",
  "postgresql:": "5432",
  "http:": "80",
  "https:": "443"
}
/** `host:port` of one server; undefined if the address has several (a Cluster, a Sentinel), or none. */
const addressOf = (text: string) => {
  if (!URL.canParse(text)) return undefined
  const { hostname, port, protocol } = new URL(text)
  const known = port === "" ? usualPort[protocol] : port
  return hostname === "" || known === undefined || protocol.includes("+") ? undefined : `${hostname}:${known}`
}
/** `--allow-net`, narrowed to the addresses in the settings if they name all of them. */
const net = (speaksTo: ReadonlyArray<string> | undefined, env: Environment, host: string) => {
  if (speaksTo === undefined) return "--allow-net"
  const named = speaksTo.map((name) => env[name] ?? "").filter(isSet)
  if (!isSet(env.REDIS_URL)) named.push("redis://127.0.0.1:6379")
  const addresses = named.map(addressOf)
  if (addresses.includes(undefined)) return "--allow-net"
  const at = host.includes(":") ? `[${host}]` : host
  const ports = [isSet(env.PORT) ? env.PORT : "8080", ...(isSet(env.ADMIN_PORT) ? [env.ADMIN_PORT] : [])]
  // port 0 is any port
  const served = ports.includes("0") ? [at] : ports.map((port) => `${at}:${port}`)
  return `--allow-net=${list([...served, ...addresses.flatMap((one) => one ?? [])])}`
}

/** The arguments of `deno run` for this role with these settings. */
export const of = (role: Role, env: Environment): ReadonlyArray<string> => {
  const local = role === roles.all
  const host = isSet(env.HOST) ? env.HOST : local ? "127.0.0.1" : "0.0.0.0"
  const common = ["--no-prompt", "--allow-env", net(role.speaksTo, env, host)]
  const reads = [...role.reads.map(root), ...foldersOf(env), ...(role.looksUp ? namesFiles.flatMap(folder) : [])]
  const facts = ["hostname", ...(role.looksUp && isSet(env.FETCH_NAME_SERVERS) ? ["networkInterfaces"] : [])]
  if (!local) return [...common, `--allow-sys=${list(facts)}`, `--allow-read=${list(reads)}`]
  // what it writes is private by its umask
  facts.push("umask")
  const state = folder(isSet(env.ECO2_STATE) ? env.ECO2_STATE : OperatorAccess.defaultFolder)
  const kept = [...common, `--allow-write=${list(state)}`]
  if (isSet(env.REDIS_URL) && isSet(env.DATABASE_URL)) {
    return [...kept, `--allow-sys=${list(facts)}`, `--allow-read=${list([...reads, ...state])}`]
  }
  // starts the Redis server and the database, and ends by its pid a Redis that an earlier start left behind
  const programs = [...(env.PATH ?? "").split(delimiter).filter(isAbsolute), ...usualFolders]
  if (isSet(env.TEST_REDIS)) programs.push(resolve(env.TEST_REDIS))
  return [
    ...kept,
    `--allow-sys=${list([...facts, "uid"])}`,
    "--allow-run",
    `--allow-read=${list([...reads, ...state, ...programs])}`
  ]
}

/** The port that it serves on, and the socket behind that (PasswordDoor). A comma in a path cannot be written here. */
const socketsOf = (directory: string) => {
  const inside = folder(directory).map((path) => `unix:${path}/database.sock`)
  return directory.includes(",") ? "--allow-net" : `--allow-net=${["127.0.0.1", ...new Set(inside)].join(",")}`
}
/** The arguments of `deno run` for the embedded database, a process of its own. */
export const embeddedDatabase = (directory: string): ReadonlyArray<string> => [
  "--no-prompt",
  "--allow-env",
  socketsOf(directory),
  `--allow-read=${list([root("node_modules/@electric-sql"), ...folder(directory)])}`,
  `--allow-write=${list(folder(directory))}`,
  // to check whether the process that holds the folder's lock is alive
  "--allow-run"
]
