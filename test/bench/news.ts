/**
 * Pages of news a second from a warm cache: the role news-api against a bare node:http handler that runs the same script on the
 * same Redis and builds the same response. Each in its own process, in turns, on one machine.
 *   node test/bench/news.ts [seconds a turn] [connections]
 */
import { RedisClient } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import { Effect, Layer } from "effect"
import { Redis } from "ioredis"
import { spawn } from "node:child_process"
import { hash } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { connect } from "node:net"
import type { AddressInfo, Socket } from "node:net"
import { fileURLToPath } from "node:url"
import * as Process from "../harness/Process.ts"
import { articles, cacheTimes } from "../news/NewsFixture.ts"
import * as ArticleCache from "../../packages/news/src/store/ArticleCache.ts"
import { lists } from "../../packages/news/src/store/ArticlePage.ts"

const path = "/api/v1/info/news"

/** The bare handler: nothing but the query, the script, the answer. */
const bare = async (redisUrl: string) => {
  const redis = new Redis(redisUrl, { protocol: 2 })
  const lua = readFileSync(new URL("../../packages/news/src/store/scripts/page.lua", import.meta.url), "utf8")
  redis.defineCommand("newsPage", { lua, numberOfKeys: 1 })
  const page = (words: ReadonlyArray<string | number>): Promise<ReadonlyArray<string>> =>
    Reflect.get(redis, "newsPage").apply(redis, ["eco2:{news}", ...words])
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? "", "http://localhost").searchParams
    const [millis = "", id = ""] = (query.get("cursor") ?? "").split(/_(.*)/s)
    void page([0, query.get("category") ?? "all", Number(query.get("limit") ?? 10), "", 0, 0, millis, id]).then(
      ([, total, left, more, next, ...found]) => {
        const body = found.join(",")
        const etag = `W/"${hash("sha1", `${next} ${body}`, "base64url")}"`
        if (request.headers["if-none-match"] === etag) return response.writeHead(304, { etag }).end()
        const text = `{"articles":[${body}],"next_cursor":${more === "1" ? `"${next}"` : null},"has_more":${more === "1"},"meta":{"total_cached":${total},"cache_expires_in":${Math.ceil(Number(left) / 1000)},"source":"redis"}}`
        const headers = {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(text),
          etag,
          "cache-control": "public, max-age=15"
        }
        return response.writeHead(200, headers).end(text)
      }
    )
  })
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
}

/** One keep-alive connection that sends the next request after each response. Calls `done` with each response's milliseconds. */
const client = (port: number, request: Buffer, done: (millis: number) => void): Socket => {
  const socket = connect(port, "127.0.0.1")
  let since = 0
  let held = Buffer.alloc(0)
  const send = () => {
    since = performance.now()
    socket.write(request)
  }
  socket.on("connect", send)
  socket.on("data", (piece) => {
    held = held.length === 0 ? piece : Buffer.concat([held, piece])
    const end = held.indexOf("\r\n\r\n")
    if (end < 0) return
    const head = held.toString("latin1", 0, end)
    if (!head.startsWith("HTTP/1.1 200")) throw new Error(head)
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
    if (held.length < end + 4 + length) return
    held = Buffer.alloc(0)
    done(performance.now() - since)
    send()
  })
  return socket
}

/** Microseconds of CPU that a process has used; 0 if unknown. On a shared machine this is steadier than elapsed time. */
const cpuMicrosOf = (pid: number): number => {
  try {
    const [user = 0, system = 0] = readFileSync(`/proc/${pid}/stat`, "utf8")
      .split(") ")[1]!
      .split(" ")
      .slice(11, 13)
      .map(Number)
    return (user + system) * 10_000
  } catch {
    return 0
  }
}

const turn = async (port: number, pid: number, seconds: number, connections: number) => {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)
  const millis: Array<number> = []
  const since = performance.now()
  const cpuBefore = cpuMicrosOf(pid)
  const sockets = Array.from({ length: connections }, () => client(port, request, (one) => millis.push(one)))
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  const elapsed = (performance.now() - since) / 1000
  const cpu = (cpuMicrosOf(pid) - cpuBefore) / Math.max(1, millis.length)
  for (const socket of sockets) socket.destroy()
  const sorted = millis.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0
  return { rate: millis.length / elapsed, cpu, p50: at(0.5), p99: at(0.99) }
}

const middle = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const main = async (seconds: number, connections: number) => {
  const redis = await RedisServer.start()
  const all = articles(600)
  const snapshot = {
    asOf: Date.now(),
    lists: new Map(
      lists.map((list) => [
        list,
        { articles: all.filter(({ category }) => list === "all" || category === list).slice(0, 200), complete: false }
      ])
    )
  }
  await Effect.runPromise(
    ArticleCache.ArticleCache.use((cache) => cache.warm(snapshot)).pipe(
      Effect.provide(Layer.provide(ArticleCache.layerWith(cacheTimes), RedisClient.layerUrl(redis.url)))
    )
  )
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "bare", redis.url], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const barePort = await new Promise<number>((resolve) => child.stdout.once("data", (text) => resolve(Number(text))))
  const role = await Process.start("news-api", {
    REDIS_URL: redis.url,
    // never used: everything is in the cache
    DATABASE_URL: "postgres://nobody@127.0.0.1:1/none"
  })
  try {
    const rolePort = Number(new URL(role.address).port)
    const [barePid, rolePid] = [child.pid ?? 0, role.pid]
    await turn(barePort, barePid, 1, connections)
    await turn(rolePort, rolePid, 1, connections)
    const turns = { bare: [], role: [] } as Record<"bare" | "role", Array<Awaited<ReturnType<typeof turn>>>>
    for (let i = 0; i < 3; i++) {
      turns.bare.push(await turn(barePort, barePid, seconds, connections))
      turns.role.push(await turn(rolePort, rolePid, seconds, connections))
    }
    const of = (name: "bare" | "role") => ({
      rate: middle(turns[name].map(({ rate }) => rate)),
      cpu: middle(turns[name].map(({ cpu }) => cpu)),
      p50: middle(turns[name].map(({ p50 }) => p50)),
      p99: middle(turns[name].map(({ p99 }) => p99))
    })
    for (const name of ["bare", "role"] as const) {
      const { cpu, p50, p99, rate } = of(name)
      console.log(
        `${name.padEnd(5)} ${rate.toFixed(0)} req/s, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${cpu.toFixed(0)} µs of processor a request`
      )
    }
    console.log(
      `role / bare: ${((100 * of("role").rate) / of("bare").rate).toFixed(0)} % of the rate, ${(of("role").p99 / of("bare").p99).toFixed(2)} × the p99, ${(of("role").cpu / of("bare").cpu).toFixed(2)} × the processor`
    )
  } finally {
    child.kill()
    await role.stop()
    await redis.stop()
  }
}

if (process.argv[2] === "bare") await bare(process.argv[3] ?? "")
else await main(Number(process.argv[2] ?? 3), Number(process.argv[3] ?? 32))
