/**
 * Nginx: Debian's nginx in front of gateways, with deploy/nginx/eco2.conf unchanged except for addresses: of gateways and its own.
 * Either the gateways are given, or their names are looked up at a name server. A test may replace further settings. It listens on two ports: for HTTP/1.1, and for HTTP/2 with prior knowledge, as TLS
 * would negotiate it.
 */
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { RedisServer } from "@eco2/core/testing"
import { find, nginx } from "../../deploy/local/SystemProgram.ts"
import { until } from "../gateway/Serving.ts"

const file = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../deploy/nginx/${name}`, import.meta.url)), "utf8")
export const settings = file("eco2.conf")
const resolverSettings = file("resolver.conf.template")
export const isInstalled = (): boolean => find(nginx) !== undefined

export interface Nginx {
  /** HTTP/1.1 */
  readonly address: string
  /** HTTP/2, without TLS, with prior knowledge. */
  readonly http2: string
  readonly stop: () => Promise<void>
}

type Served = { readonly address: string }

/** Replaces a text that must be there, so that a renamed setting is noticed. */
const replace = (text: string, from: string, to: string): string => {
  if (!text.includes(from)) throw new Error(`eco2.conf has no \`${from}\``)
  return text.replace(from, to)
}

const host = (served: Served) => new URL(served.address).host

/** The settings of its temporary folders; nginx rejects settings of modules that it lacks. */
const folders = (binary: string, folder: string): string => {
  const built = spawnSync(binary, ["-V"], { encoding: "utf8" }).stderr
  return [
    ["http", "client_body"],
    ["http_proxy", "proxy"],
    ["http_fastcgi", "fastcgi"],
    ["http_uwsgi", "uwsgi"],
    ["http_scgi", "scgi"]
  ]
    .filter(([module]) => !built.includes(`--without-${module}_module`))
    .map(([, name]) => `${name}_temp_path ${folder}/${name};`)
    .join("\n")
}

const running = new Set<() => void>()
process.on("exit", () => {
  for (const kill of running) kill()
})

export const start = async (options: {
  /** Without any, the names in eco2.conf are looked up. */
  readonly gateways: ReadonlyArray<Served>
  /** What replaces `${NGINX_LOCAL_RESOLVERS} valid=5s` in resolver.conf.template. Default: no resolver. */
  readonly resolver?: string
  /** Default: none. */
  readonly newsApi?: Served
  /** Replacements in eco2.conf: old text to new text. */
  readonly otherwise?: Readonly<Record<string, string>>
}): Promise<Nginx> => {
  const binary = find(nginx)
  if (binary === undefined) throw new Error("nginx is not installed")
  const folder = mkdtempSync(join(tmpdir(), "eco2-nginx-"))
  const [port, port2] = [await RedisServer.freePort(), await RedisServer.freePort()]
  let server = settings
  const upstream = (name: string, list: ReadonlyArray<Served>) =>
    `upstream ${name} { ${list.map((one) => `server ${host(one)};`).join(" ")} }`
  const upstreams: Array<string> = []
  if (options.gateways.length > 0) {
    server = replace(server, "set $gateway gateway:8080;", "set $gateway gateways;")
    upstreams.push(upstream("gateways", options.gateways))
  }
  if (options.newsApi !== undefined) {
    server = replace(server, "set $news_api news-api:8080;", "set $news_api news;")
    upstreams.push(upstream("news", [options.newsApi]))
  }
  const resolver =
    options.resolver === undefined
      ? ""
      : replace(resolverSettings, "${NGINX_LOCAL_RESOLVERS} valid=5s", options.resolver)
  server = replace(server, "listen 8080;", `listen 127.0.0.1:${port}; listen 127.0.0.1:${port2} http2;`)
  for (const [from, to] of Object.entries(options.otherwise ?? {})) server = replace(server, from, to)
  mkdirSync(join(folder, "logs"))
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off;
     ${process.getuid?.() === 0 ? "user root;" : ""}
     worker_processes 1;
     pid ${folder}/nginx.pid;
     error_log stderr warn;
     events { worker_connections 1024; }
     http { access_log off; ${folders(binary, folder)}\n${resolver}\n${upstreams.join("\n")}\n${server}\n}`
  )
  const child = spawn(binary, ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")], {
    stdio: ["ignore", "ignore", "pipe"]
  })
  let said = ""
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString("utf8")).slice(-4_000)
  })
  const kill = () => child.kill("SIGTERM")
  running.add(kill)
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()))
  const address = `http://127.0.0.1:${port}`
  // nginx's own response, whatever is behind it
  const answers = () =>
    fetch(`${address}/metrics`).then(
      ({ status }) => status,
      () => 0
    )
  await until(
    () => (child.exitCode === null ? answers() : Promise.reject(new Error(`nginx does not start: ${said}`))),
    (status) => status === 404
  )
  return {
    address,
    http2: `http://127.0.0.1:${port2}`,
    stop: async () => {
      running.delete(kill)
      kill()
      await exited
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
