/** The connections of a port: whatever a client does, or stops doing, its connection ends. */
import { describe, expect, it, onTestFinished } from "vitest"
import { Deferred, Effect, Exit, Scope, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { once } from "node:events"
import { connect } from "node:net"
import * as HttpPort from "../../../packages/core/src/service/HttpPort.ts"

const never = 3_600_000
const lax: HttpPort.Bounds = {
  headersMillis: never,
  requestMillis: never,
  idleMillis: never,
  silentMillis: never,
  reading: { turnMillis: never, leastInTurn: 0 },
  checkMillis: 20
}

type App = Parameters<HttpPort.HttpPort["serve"]>[0]

/** The number of a port with this app; closed with the test. */
const opened = async (app: App, bounds: Partial<HttpPort.Bounds>, most = 1_000) => {
  const scope = Effect.runSync(Scope.make())
  onTestFinished(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const { address } = await Effect.runPromise(
    Effect.gen(function* () {
      const port = yield* HttpPort.open({ host: "127.0.0.1", port: 0, most, bounds: { ...lax, ...bounds } })
      yield* port.serve(app)
      return port
    }).pipe(Scope.provide(scope))
  )
  return Number(new URL(address).port)
}

/** A connection that has sent the text; `ended`: all that came, once it is closed. */
const connection = async (port: number, text: string) => {
  const socket = connect(port, "127.0.0.1")
  onTestFinished(() => void socket.destroy())
  await once(socket, "connect")
  let heard = ""
  socket.setEncoding("latin1").on("data", (chunk: string) => (heard += chunk))
  socket.on("error", () => undefined)
  const ended = new Promise<string>((resolve) => socket.once("close", () => resolve(heard)))
  const until = async (wanted: string) => {
    while (!heard.includes(wanted)) await once(socket, "data")
  }
  socket.write(text)
  return { socket, ended, until }
}

const ok: App = Effect.succeed(HttpServerResponse.text("ok"))
const reading: App = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ text }) =>
  Effect.map(text, (body) => HttpServerResponse.text(body))
)
const get = "GET / HTTP/1.1\r\nHost: x\r\n"
const post = "POST / HTTP/1.1\r\nHost: x\r\n"

describe("connections", { timeout: 10_000 }, () => {
  it("H5 a port with its largest number of connections closes the next at once, serves the others, and has room again", async () => {
    const port = await opened(ok, {}, 2)
    const [first, second] = [await connection(port, ""), await connection(port, "")]
    expect(await (await connection(port, `${get}\r\n`)).ended).toBe("")
    first.socket.write(`${get}\r\n`)
    await first.until("ok")
    second.socket.destroy()
    await second.ended
    await expect
      .poll(async () => {
        const next = await connection(port, `${get}Connection: close\r\n\r\n`)
        return next.ended
      })
      .toContain("ok")
  })

  it.each(["x", "websocket", "h2c", "TLS/1.0"])(
    "H4 a connection that asks for an upgrade to %s is answered as any other, used again, and ends when it is idle",
    async (protocol) => {
      const port = await opened(ok, { idleMillis: 100 })
      const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
      const asked = await connection(port, `${get}Connection: Upgrade\r\nUpgrade: ${protocol}\r\n${key}\r\n`)
      await asked.until("ok")
      asked.socket.write(`${get}\r\n`)
      expect((await asked.ended).match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"])
    }
  )

  it.each([
    ["nothing", ""],
    ["half a line", "GET / HT"],
    ["headers without an end", `${get}X-A: b\r\n`],
    ["an upgrade without an end", `${get}Upgrade: x\r\nConnection: Upgrade\r\n`]
  ])("H4 a connection that sends %s ends at the time limit of headers", async (_, text) => {
    const { ended } = await connection(await opened(ok, { headersMillis: 100 }), text)
    expect(await ended).toMatch(/^$|^HTTP\/1\.1 408/)
  })

  it.each([
    ["a body that stops", "Content-Length: 10\r\n\r\nhalf"],
    ["a body that never comes, after 100 Continue", "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n"],
    ["a chunked body that stops", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf"],
    ["an upgrade with a body that stops", "Upgrade: x\r\nConnection: Upgrade\r\nContent-Length: 10\r\n\r\nhalf"]
  ])("H4 a connection that sends %s ends at the time limit of requests", async (_, rest) => {
    const port = await opened(reading, { headersMillis: 100, requestMillis: 200 })
    const { ended } = await connection(port, `${post}${rest}`)
    expect(await ended).not.toContain(" 200 ")
  })

  it("H4 a connection with CONNECT gets no tunnel and ends, and one that expects what there is not is refused", async () => {
    const port = await opened(ok, { idleMillis: 100 })
    const tunnel = await connection(port, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n")
    expect(await tunnel.ended).toBe("")
    const expecting = await connection(port, `${get}Expect: x\r\n\r\n`)
    expect(await expecting.ended).toContain("HTTP/1.1 417")
  })

  it("H4 a connection whose client closes its half in the middle of a request ends", async () => {
    const { ended, socket } = await connection(await opened(reading, {}), `${post}Content-Length: 10\r\n\r\nhalf`)
    socket.end()
    expect(await ended).not.toContain(" 200 ")
  })

  const chunk = new Uint8Array(1024 * 1024)
  const large = [
    ["a large answer", HttpServerResponse.uint8Array(new Uint8Array(64 * 1024 * 1024))],
    ["a stream", HttpServerResponse.stream(Stream.forever(Stream.succeed(chunk)))]
  ] as const
  it.each(large)(
    "H4 a connection whose client reads %s byte by byte ends, though it is never silent, and frees what it holds",
    async (_, response) => {
      const freed = Deferred.makeUnsafe<void>()
      const app: App = Effect.as(
        Effect.addFinalizer(() => Deferred.succeed(freed, undefined)),
        response
      )
      const reading = { turnMillis: 200, leastInTurn: 64 * 1024 * 1024 }
      const { socket } = await connection(await opened(app, { reading }), "")
      // a byte leaves the client's buffer at a time, and the system has more for it each time
      socket.removeAllListeners("data").on("readable", () => setImmediate(() => socket.read(1)))
      socket.write(`${get}\r\n`)
      await Effect.runPromise(Deferred.await(freed))
    }
  )

  it("H4 a stream that is quiet for many turns goes on, because nothing waits for its client", async () => {
    const events = Stream.concat(
      Stream.succeed("begin"),
      Stream.fromEffect(Effect.as(Effect.sleep("300 millis"), "end"))
    ).pipe(Stream.encodeText)
    const reading = { turnMillis: 1, leastInTurn: 1_000_000 }
    const port = await opened(Effect.succeed(HttpServerResponse.stream(events)), { reading })
    const { ended } = await connection(port, `${get}Connection: close\r\n\r\n`)
    expect(await ended).toMatch(/begin[^]*end/)
  })

  it.each(large)(
    "H4 a connection whose client does not read %s ends after a silence, and frees what it holds",
    async (_, response) => {
      const freed = Deferred.makeUnsafe<void>()
      const app: App = Effect.as(
        Effect.addFinalizer(() => Deferred.succeed(freed, undefined)),
        response
      )
      const { socket } = await connection(await opened(app, { silentMillis: 200 }), "")
      socket.pause().write(`${get}\r\n`)
      await Effect.runPromise(Deferred.await(freed))
    }
  )
})
