/** GuardedFetch against real servers on loopback, opened one by one; G1 to G3 are its header's. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { createServer } from "node:http"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import { createServer as createTcp } from "node:net"
import type { AddressInfo } from "node:net"
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import * as GuardedFetch from "../../../packages/core/src/net/GuardedFetch.ts"
import * as NameServer from "../../harness/NameServer.ts"
import { until } from "../Until.ts"

type Handler = (request: IncomingMessage, response: ServerResponse) => void
const handlers: Record<string, Handler> = {}
let server: Server
let port = 0
/** Requests as they came: `host path`, and their headers. */
const seen: Array<{ readonly path: string; readonly headers: IncomingMessage["headers"] }> = []

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url ?? ""
    seen.push({ path, headers: request.headers })
    const handler = handlers[path.split("?", 1)[0] ?? ""]
    if (handler === undefined) response.writeHead(404).end("nothing here")
    else handler(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const here = (path: string, host = "127.0.0.1") => `http://${host}:${port}${path}`
const names: Record<string, ReadonlyArray<string>> = {
  "news.example": ["127.0.0.1"],
  "inside.example": ["127.0.0.9"],
  "both.example": ["10.0.0.1", "127.0.0.1"],
  "mapped.example": ["::ffff:127.0.0.1"],
  "nowhere.example": []
}

/** One fetch, with what it connected to. Only 127.0.0.1 and 127.0.0.2 are open. */
const fetching = (request: Partial<GuardedFetch.Request> & { readonly url: string }, options?: GuardedFetch.Options) =>
  Effect.gen(function* () {
    const connected: Array<string> = []
    const layer = GuardedFetch.layerWith({
      allowPrivate: [`127.0.0.1:${port}`, `127.0.0.2:${port}`],
      resolve: (host) =>
        Promise.resolve((names[host] ?? []).map((address) => ({ address, family: address.includes(":") ? 6 : 4 }))),
      onConnect: (address) => connected.push(address),
      ...options
    })
    const result = yield* Effect.result(
      Effect.flatMap(GuardedFetch.GuardedFetch, (guarded) =>
        guarded.get({ timeout: "5 seconds", maxBytes: 1000, ...request })
      ).pipe(Effect.provide(layer))
    )
    return { connected, result }
  })
const failure = (request: Partial<GuardedFetch.Request> & { readonly url: string }) =>
  Effect.map(fetching(request), ({ connected, result }) => {
    const { _tag, ...rest } = result._tag === "Failure" ? result.failure : { _tag: "Success" as const }
    return { tag: _tag, reason: "reason" in rest ? rest.reason : undefined, connected }
  })
const response = (request: Partial<GuardedFetch.Request> & { readonly url: string }) =>
  Effect.flatMap(fetching(request), ({ connected, result }) =>
    Effect.map(Effect.fromResult(result), (reply) => ({
      ...reply,
      connected,
      text: Buffer.from(reply.body).toString()
    }))
  )

describe("GuardedFetch", () => {
  it.live("a fetch returns status, headers and body, whatever the status is", () =>
    Effect.gen(function* () {
      const reply = yield* response({ url: here("/missing?x=1") })
      expect([reply.status, reply.text, reply.cut, reply.url]).toEqual([
        404,
        "nothing here",
        false,
        here("/missing?x=1")
      ])
      expect(reply.connected).toEqual(["127.0.0.1"])
    })
  )

  it.live.each([
    "http://127.0.0.9:PORT/",
    "http://localhost:PORT/",
    "http://inside.example:PORT/",
    "http://127.1:1/",
    "http://2130706433/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://[::1]:PORT/",
    "http://[::ffff:127.0.0.9]:PORT/",
    "http://0.0.0.0:PORT/",
    "http://169.254.169.254/latest/meta-data",
    "http://10.0.0.1/",
    "http://[fd00:ec2::254]/",
    "http://mapped.example:PORT/",
    "http://nowhere.example/",
    "http://127.0.0.1:1/"
  ])("G1 a fetch of %s is refused without a connection", (url) =>
    Effect.gen(function* () {
      expect(yield* failure({ url: url.replace("PORT", String(port)) })).toEqual({
        tag: "FetchRefused",
        reason: "address",
        connected: []
      })
    })
  )

  it.live.each([
    ["file:///etc/passwd", "scheme"],
    ["gopher://127.0.0.1/", "scheme"],
    ["data:text/html,x", "scheme"],
    ["http://user:secret@news.example/", "credentials"],
    ["/relative", "url"],
    ["http://", "url"]
  ] as const)("a fetch of %s is refused", ([url, reason]) =>
    Effect.gen(function* () {
      expect(yield* failure({ url })).toEqual({ tag: "FetchRefused", reason, connected: [] })
    })
  )

  it.live("G1 a name with several addresses is connected to at an allowed one only", () =>
    Effect.gen(function* () {
      expect((yield* response({ url: here("/missing", "both.example") })).connected).toEqual(["127.0.0.1"])
    })
  )

  it.live("G1 a name is looked up once a connection: a later answer with another address does not count", () =>
    Effect.gen(function* () {
      let lookups = 0
      const { connected, result } = yield* fetching(
        { url: here("/missing", "turning.example") },
        {
          allowPrivate: [`127.0.0.1:${port}`],
          resolve: () => Promise.resolve([{ address: ++lookups === 1 ? "127.0.0.1" : "127.0.0.9", family: 4 }])
        }
      )
      expect([result._tag, lookups, connected]).toEqual(["Success", 1, ["127.0.0.1"]])
    })
  )

  it.live("G1 every redirect is checked like the first URL", () =>
    Effect.gen(function* () {
      const targets = [
        here("/", "127.0.0.9"),
        here("/", "localhost"),
        here("/", "inside.example"),
        "http://169.254.169.254/latest/"
      ]
      for (const target of targets) {
        handlers["/away"] = (_, reply) => reply.writeHead(302, { location: target }).end()
        expect(yield* failure({ url: here("/away") })).toEqual({
          tag: "FetchRefused",
          reason: "address",
          connected: ["127.0.0.1"]
        })
      }
      handlers["/away"] = (_, reply) => reply.writeHead(302, { location: "file:///etc/passwd" }).end()
      expect((yield* failure({ url: here("/away") })).reason).toBe("scheme")
    })
  )

  it.live("G1 the operator's own URL may be private, but not where it redirects to", () =>
    Effect.gen(function* () {
      expect((yield* response({ url: here("/missing", "127.0.0.9"), trusted: true })).connected).toEqual(["127.0.0.9"])
      handlers["/aside"] = (_, reply) => reply.writeHead(302, { location: here("/", "127.0.0.8") }).end()
      expect((yield* failure({ url: here("/aside", "127.0.0.9"), trusted: true })).reason).toBe("address")
    })
  )

  it.live("a fetch follows three redirects and refuses a fourth", () =>
    Effect.gen(function* () {
      for (const n of [1, 2, 3, 4]) {
        handlers[`/hop${n}`] = (_, reply) => reply.writeHead(n % 2 ? 301 : 307, { location: `hop${n - 1}` }).end()
      }
      handlers["/hop0"] = (_, reply) => reply.end("here")
      const reply = yield* response({ url: here("/hop3") })
      expect([reply.text, reply.url]).toEqual(["here", here("/hop0")])
      expect((yield* failure({ url: here("/hop4") })).reason).toBe("redirects")
    })
  )

  it.live("a redirect's address may be written in UTF-8", () =>
    Effect.gen(function* () {
      handlers["/old"] = (_, reply) => {
        reply.socket?.end(Buffer.from("HTTP/1.1 302 Found\r\nLocation: /기사\r\nContent-Length: 0\r\n\r\n"))
      }
      expect((yield* response({ url: here("/old") })).url).toBe(here(encodeURI("/기사")))
    })
  )

  it.live("G3 a key is not sent along to another origin", () =>
    Effect.gen(function* () {
      handlers["/elsewhere"] = (_, reply) => reply.writeHead(302, { location: here("/landed", "127.0.0.2") }).end()
      seen.length = 0
      yield* response({ url: here("/elsewhere"), headers: { "x-key": "secret", accept: "text/html" } })
      expect(seen.map(({ headers, path }) => [path, headers["x-key"], headers.accept])).toEqual([
        ["/elsewhere", "secret", "text/html"],
        ["/landed", undefined, "text/html"]
      ])
    })
  )

  it.live("G2 a body over maxBytes is cut there, and the connection closed", () =>
    Effect.gen(function* () {
      let closed = false
      handlers["/endless"] = (_, reply) => {
        reply.on("close", () => (closed = true))
        const more = () => {
          while (!reply.destroyed && reply.write(Buffer.alloc(64 * 1024, "a")));
          if (!reply.destroyed) reply.once("drain", more)
        }
        more()
      }
      expect((yield* failure({ url: here("/endless") })).tag).toBe("FetchTooLarge")
      const reply = yield* response({ url: here("/endless"), longer: "cut" })
      expect([reply.cut, reply.body.length]).toEqual([true, 1000])
      yield* until(
        Effect.sync(() => closed),
        (done) => done
      )
    })
  )

  it.live("G2 a body of exactly maxBytes is read whole", () =>
    Effect.gen(function* () {
      handlers["/exact"] = (_, reply) => reply.end("x".repeat(1000))
      expect([(yield* response({ url: here("/exact") })).cut]).toEqual([false])
    })
  )

  it.live("G2 a compressed body is counted by its unpacked bytes", () =>
    Effect.gen(function* () {
      const bomb = Buffer.alloc(100 * 1024 * 1024)
      const packed = { gzip: gzipSync(bomb), br: brotliCompressSync(bomb, { params: { 1: 3 } }) }
      for (const [coding, bytes] of Object.entries(packed)) {
        handlers["/bomb"] = (_, reply) => reply.writeHead(200, { "content-encoding": coding }).end(bytes)
        const before = process.memoryUsage().arrayBuffers
        expect((yield* failure({ url: here("/bomb") })).tag).toBe("FetchTooLarge")
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * 1024 * 1024)
      }
      handlers["/packed"] = (_, reply) => reply.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("hello"))
      expect((yield* response({ url: here("/packed") })).text).toBe("hello")
    })
  )

  it.live("a body is read in the codings that servers really use: deflate of both kinds, and none by other names", () =>
    Effect.gen(function* () {
      const codings: ReadonlyArray<readonly [string, Uint8Array]> = [
        ["deflate", deflateSync("hello")],
        ["deflate", deflateRawSync("hello")],
        ["none", Buffer.from("hello")],
        ["UTF-8", Buffer.from("hello")]
      ]
      for (const [coding, bytes] of codings) {
        handlers["/coding"] = (_, reply) => reply.writeHead(200, { "content-encoding": coding }).end(bytes)
        expect([coding, (yield* response({ url: here("/coding") })).text]).toEqual([coding, "hello"])
      }
      handlers["/coding"] = (_, reply) => reply.writeHead(200, { "content-encoding": "deflate" }).end()
      expect((yield* response({ url: here("/coding") })).text).toBe("")
      handlers["/coding"] = (_, reply) =>
        reply.writeHead(200, { "content-encoding": "deflate" }).end("no deflate at all")
      expect((yield* failure({ url: here("/coding") })).tag).toBe("FetchFailed")
      handlers["/coding"] = (_, reply) => reply.writeHead(200, { "content-encoding": "deflate" }).flushHeaders()
      expect((yield* failure({ url: here("/coding"), timeout: "200 millis" })).tag).toBe("FetchTimeout")
    })
  )

  it.live("a reader that has enough is not kept waiting by a body that goes on, and its connection closes", () =>
    Effect.gen(function* () {
      let closed = false
      handlers["/trickles"] = (_, reply) => {
        reply.on("close", () => (closed = true)).write("the head")
      }
      let text = ""
      const reply = yield* response({
        url: here("/trickles"),
        enough: (piece) => (text += Buffer.from(piece).toString()).includes("head")
      })
      expect([reply.cut, reply.text, text]).toEqual([true, "the head", "the head"])
      yield* until(
        Effect.sync(() => closed),
        (done) => done
      )
      const broken = (): boolean => {
        throw new Error("no")
      }
      expect((yield* failure({ url: here("/trickles"), enough: broken })).tag).toBe("FetchFailed")
    })
  )

  it.live("G3 a cookie that a redirect sets goes back to its host, within this fetch, and to no other host", () =>
    Effect.gen(function* () {
      const cookies = (path: string) => seen.filter((one) => one.path === path).map(({ headers }) => headers.cookie)
      handlers["/gate"] = (request, reply) => {
        if (request.headers.cookie === "seen=1; lang=ko") return void reply.end("the page")
        reply
          .writeHead(302, {
            location: "/gate",
            "set-cookie": ["seen=1; Path=/; HttpOnly", "lang=ko", "key=s; Secure", "no pair"]
          })
          .end()
      }
      expect((yield* response({ url: here("/gate") })).text).toBe("the page")
      expect(cookies("/gate")).toEqual([undefined, "seen=1; lang=ko"])
      expect((yield* response({ url: here("/gate") })).text).toBe("the page")
      expect(cookies("/gate").length).toBe(4)
      handlers["/leave"] = (_, reply) =>
        reply.writeHead(302, { location: here("/other", "127.0.0.2"), "set-cookie": "seen=1; Domain=0.0.2" }).end()
      handlers["/other"] = (_, reply) => reply.end("other")
      expect((yield* response({ url: here("/leave") })).text).toBe("other")
      expect(cookies("/other")).toEqual([undefined])
    })
  )

  it.live("G3 what a site said of a document's version follows its redirects to the same site, and to no other", () =>
    Effect.gen(function* () {
      const versions = { "if-none-match": '"v1"', "if-modified-since": "Sat, 21 Nov 2026 00:00:00 GMT" }
      const headersOf = (path: string) => seen.findLast((one) => one.path === path)?.headers
      handlers["/versioned"] = (_, reply) => reply.writeHead(301, { location: here("/there", "news.example") }).end()
      handlers["/there"] = (_, reply) => reply.writeHead(304).end()
      const options = {
        allowPrivate: [`127.0.0.1:${port}`],
        resolve: () => Promise.resolve([{ address: "127.0.0.1", family: 4 }])
      }
      const headers = { ...versions, authorization: "secret" }
      for (const host of ["www.news.example", "feeds.news.example"]) {
        yield* fetching({ url: here("/versioned", host), headers }, options)
        expect(headersOf("/there")).toMatchObject(versions)
        expect(headersOf("/there")).not.toHaveProperty("authorization")
      }
      for (const host of ["other.example", "badnews.example", "127.0.0.1"]) {
        yield* fetching({ url: here("/versioned", host), headers }, options)
        for (const name of Object.keys(headers)) expect(headersOf("/there")).not.toHaveProperty(name)
      }
    })
  )

  it.live("a response says where its address has moved for good, as far as every redirect says so", () =>
    Effect.gen(function* () {
      const to = (path: string, status: number) => (_: IncomingMessage, reply: ServerResponse) =>
        void reply.writeHead(status, { location: path }).end()
      handlers["/a"] = to("/b", 301)
      handlers["/b"] = to("/c", 308)
      handlers["/c"] = to("/d", 302)
      handlers["/d"] = to("/end", 301)
      handlers["/end"] = (_, reply) => reply.end("end")
      expect((yield* response({ url: here("/a"), maxRedirects: 4 })).movedTo).toBe(here("/c"))
      expect((yield* response({ url: here("/c") })).movedTo).toBe(null)
      expect((yield* response({ url: here("/end") })).movedTo).toBe(null)
    })
  )

  it.live("a body with an unknown content coding, or with two, fails the fetch", () =>
    Effect.gen(function* () {
      for (const coding of ["zstd", "gzip, gzip", "constructor"]) {
        handlers["/coded"] = (_, reply) => reply.writeHead(200, { "content-encoding": coding }).end("x")
        expect((yield* failure({ url: here("/coded") })).tag).toBe("FetchFailed")
      }
    })
  )

  it.live("G2 a fetch ends in time: a silent server, a slow body, a name that does not resolve", () =>
    Effect.gen(function* () {
      handlers["/silent"] = () => {}
      handlers["/drips"] = (_, reply) => {
        const drip = setInterval(() => reply.write("."), 20)
        reply.on("close", () => clearInterval(drip))
      }
      for (const path of ["/silent", "/drips"]) {
        expect((yield* failure({ url: here(path), timeout: "200 millis" })).tag).toBe("FetchTimeout")
      }
      const { result } = yield* fetching(
        { url: "http://slow.example/", timeout: "50 millis" },
        { allowPrivate: [], resolve: () => new Promise(() => {}) }
      )
      expect(result._tag === "Failure" && result.failure._tag).toBe("FetchTimeout")
    })
  )

  it.live("an interrupted fetch closes its connection", () =>
    Effect.gen(function* () {
      let state = "idle"
      handlers["/held"] = (_, reply) => {
        state = "open"
        reply.on("close", () => (state = "closed"))
      }
      const fiber = yield* Effect.forkChild(fetching({ url: here("/held") }))
      yield* until(
        Effect.sync(() => state),
        (now) => now === "open"
      )
      yield* Fiber.interrupt(fiber)
      yield* until(
        Effect.sync(() => state),
        (now) => now === "closed"
      )
    })
  )

  it.live("a body that the caller does not want is not read", () =>
    Effect.gen(function* () {
      handlers["/film"] = (_, reply) => reply.writeHead(200, { "content-type": "video/mp4" }).write("x")
      const reply = yield* response({
        url: here("/film"),
        wanted: ({ headers }) => headers.get("content-type") === "text/html"
      })
      expect([reply.status, reply.body.length]).toEqual([200, 0])
    })
  )

  it.live("a reply that is not HTTP, has too long a head or half a body fails the fetch, not the process", () =>
    Effect.gen(function* () {
      const replies = [
        "SSH-2.0-OpenSSH\r\n",
        "",
        `HTTP/1.1 200 OK\r\nX: ${"a".repeat(20_000)}\r\n\r\n`,
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde"
      ]
      for (const text of replies) {
        const tcp = createTcp((socket) => {
          socket.on("error", () => {})
          socket.once("data", () => socket.end(text))
        })
        yield* Effect.promise(() => new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve)))
        const { port: at } = tcp.address() as AddressInfo
        const { result } = yield* fetching({ url: `http://127.0.0.1:${at}/` }, { allowPrivate: [`127.0.0.1:${at}`] })
        expect([text.slice(0, 60), result._tag === "Failure" && result.failure._tag]).toEqual([
          text.slice(0, 60),
          "FetchFailed"
        ])
        tcp.close()
      }
    })
  )

  it.live("a fetch's error does not repeat the URL's query", () =>
    Effect.gen(function* () {
      const { result } = yield* fetching({ url: "http://127.0.0.9/?apikey=secret" })
      expect(JSON.stringify(result)).not.toContain("secret")
    })
  )

  it.live("G1 a name is judged by what its name server answers, and looked up once a connection", () =>
    Effect.gen(function* () {
      const answers = ["127.0.0.1", "127.0.0.9"]
      const server = yield* NameServer.start((name, kind) => {
        if (kind === "AAAA") return []
        return name === "inside.example" ? ["127.0.0.9"] : [answers.shift() ?? "127.0.0.9"]
      })
      const get = (host: string) =>
        Effect.gen(function* () {
          const connected: Array<string> = []
          const result = yield* Effect.flatMap(GuardedFetch.GuardedFetch, (guarded) =>
            Effect.result(guarded.get({ url: here("/missing", host), timeout: "5 seconds", maxBytes: 1000 }))
          ).pipe(
            Effect.provide(
              GuardedFetch.layerWith({
                allowPrivate: [`127.0.0.1:${port}`],
                nameServers: [server.at],
                onConnect: (address) => connected.push(address)
              })
            )
          )
          return [result._tag === "Failure" ? result.failure._tag : result.success.status, connected]
        })
      expect(yield* get("inside.example")).toEqual(["FetchRefused", []])
      expect(yield* get("turning.example")).toEqual([404, ["127.0.0.1"]])
      expect(server.asked.filter(({ kind, name }) => kind === "A" && name === "turning.example").length).toBe(1)
      expect(yield* get("turning.example")).toEqual(["FetchRefused", []])
    })
  )

  it.effect(
    "a name that does not exist is FetchFailed with ENOTFOUND, one that nobody answers with the name server's",
    () =>
      Effect.gen(function* () {
        const server = yield* NameServer.start(() => "unknown")
        const get = (nameServers: ReadonlyArray<string>) =>
          Effect.flatMap(GuardedFetch.GuardedFetch, (guarded) =>
            Effect.flip(guarded.get({ url: "http://a.example/?q=secret", timeout: "30 seconds", maxBytes: 1000 }))
          ).pipe(Effect.provide(GuardedFetch.layerWith({ allowPrivate: [], nameServers })))
        const failed = (code: string) => new GuardedFetch.FetchFailed({ url: "http://a.example/", code })
        expect(yield* get([server.at])).toEqual(failed("ENOTFOUND"))
        const dead = yield* NameServer.silent
        const fetch = yield* Effect.forkChild(get([dead.at]))
        yield* TestClock.withLive(
          until(
            Effect.sync(() => dead.asked.length),
            (many) => many > 0
          )
        )
        yield* TestClock.adjust("5 seconds")
        expect(yield* Fiber.join(fetch)).toEqual(failed("name server: ETIMEOUT"))
      })
  )

  it.effect("FETCH_NAME_SERVERS lists addresses of name servers, and stops the process if it does not", () =>
    Effect.gen(function* () {
      const server = yield* NameServer.start(() => "unknown")
      const get = (value: string) =>
        Effect.flatMap(GuardedFetch.GuardedFetch, (guarded) =>
          guarded.get({ url: "http://a.example/", timeout: "5 seconds", maxBytes: 1000 })
        ).pipe(
          Effect.provide(
            GuardedFetch.layer.pipe(
              Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { FETCH_NAME_SERVERS: value } })))
            )
          ),
          Effect.match({ onSuccess: ({ status }) => String(status), onFailure: ({ _tag }) => _tag })
        )
      expect(yield* get(` ${server.at}, [::1]:53`)).toBe("FetchFailed")
      expect(server.names()).toEqual(new Set(["a.example"]))
      for (const wrong of ["dns.example", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:53:53", "[::1", "::1:x", "/"]) {
        expect([wrong, yield* get(wrong)]).toEqual([wrong, "ConfigError"])
      }
    })
  )

  it.effect("FETCH_ALLOW_PRIVATE allows a host and port, and stops the process if it is not such a list", () =>
    Effect.gen(function* () {
      const get = (value: string) =>
        Effect.flatMap(GuardedFetch.GuardedFetch, (guarded) =>
          guarded.get({ url: here("/missing"), timeout: "5 seconds", maxBytes: 1000 })
        ).pipe(
          Effect.provide(
            GuardedFetch.layer.pipe(
              Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { FETCH_ALLOW_PRIVATE: value } })))
            )
          ),
          Effect.match({ onSuccess: ({ status }) => String(status), onFailure: ({ _tag }) => _tag })
        )
      expect(yield* get(`localhost:1, 127.0.0.1:${port}`)).toBe("404")
      expect(yield* get("127.0.0.1:1")).toBe("FetchRefused")
      expect(yield* get("127.0.0.1")).toBe("ConfigError")
      expect(yield* get("10.0.0.0/8:80")).toBe("ConfigError")
    })
  )
})
