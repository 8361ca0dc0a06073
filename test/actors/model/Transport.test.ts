/** One call is one request, in Node and in Deno: nothing is sent twice, and what went wrong is told alike. */
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"
import { gzipSync } from "node:zlib"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Transport from "../../../packages/actors/src/model/Transport.ts"

/** A server whose answers are given by path; `asked` are the requests it got, `sockets` its connections. */
const serve = (answers: Readonly<Record<string, (response: ServerResponse, request: IncomingMessage) => void>>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const asked: Array<{
        readonly path: string
        readonly body: string
        readonly headers: IncomingMessage["headers"]
      }> = []
      let sockets = 0
      const server = createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk))
        request.on("end", () => {
          const path = request.url ?? ""
          asked.push({ path, body, headers: request.headers })
          answers[path]?.(response, request)
        })
      })
      server.on("connection", () => sockets++)
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      return { url: `http://127.0.0.1:${port}`, asked, connections: () => sockets, server }
    }),
    ({ server }) =>
      Effect.promise(async () => {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      })
  )

const post = (url: string, signal?: AbortSignal) =>
  Transport.fetch(url, { method: "POST", body: '{"n":"가"}', headers: { "x-key": "k" }, ...(signal && { signal }) })
const codeOf = async (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => "no failure",
    (cause: unknown) => (cause instanceof Error && "code" in cause ? cause.code : cause)
  )

it.live("a request is sent once with its headers and body, and connections are used again", () =>
  Effect.gen(function* () {
    const { asked, connections, url } = yield* serve({
      "/ok": (response) => response.writeHead(201, { "x-request-id": "r1" }).end("나")
    })
    for (let n = 0; n < 3; n++) {
      const response = yield* Effect.promise(() => post(`${url}/ok`))
      expect([response.status, response.headers.get("x-request-id")]).toEqual([201, "r1"])
      expect(yield* Effect.promise(() => response.text())).toBe("나")
    }
    expect(asked.map(({ body, headers }) => [body, headers["x-key"]])).toEqual(Array(3).fill(['{"n":"가"}', "k"]))
    // Deno would send a request again whose connection was used before
    expect(connections()).toBe(process.versions.deno === undefined ? 1 : 3)
  })
)

it.live("a connection that ends before or within its response fails with its code, and nothing is sent again", () =>
  Effect.gen(function* () {
    const { asked, url } = yield* serve({
      "/ok": (response) => response.end("a connection to use again"),
      "/drop": (response) => void response.socket?.destroy(),
      "/half": (response) => {
        response.writeHead(200, { "content-length": "100" })
        response.write("half", () => response.socket?.destroy())
      },
      "/chunk": (response) => void response.write("half", () => response.socket?.destroy())
    })
    yield* Effect.promise(() => post(`${url}/ok`).then((response) => response.text()))
    for (const path of ["/drop", "/half", "/chunk"]) {
      const call = post(url + path).then((response) => response.text())
      expect(yield* Effect.promise(() => codeOf(call))).toBe("ECONNRESET")
    }
    expect(asked.map(({ path }) => path)).toEqual(["/ok", "/drop", "/half", "/chunk"])
  })
)

it.live("a refused connection and an unknown name are told by their codes", () =>
  Effect.gen(function* () {
    expect(yield* Effect.promise(() => codeOf(post("http://127.0.0.1:2/")))).toBe("ECONNREFUSED")
    // no resolver looks for a label of 64 letters
    expect(yield* Effect.promise(() => codeOf(post(`http://${"m".repeat(64)}.example/`)))).toBe("ENOTFOUND")
  })
)

it.live("a redirect is not followed, so that photo and key go nowhere else", () =>
  Effect.gen(function* () {
    const { asked, url } = yield* serve({
      "/from": (response) => response.writeHead(307, { location: "/to" }).end(),
      "/to": (response) => response.end("x")
    })
    expect((yield* Effect.promise(() => post(`${url}/from`))).status).toBe(307)
    expect(asked.length).toBe(1)
  })
)

it.live("an aborted call ends its request, before the response and within it", () =>
  Effect.gen(function* () {
    let closed = 0
    const bothClosed = Promise.withResolvers<void>()
    const close = () => {
      closed++
      if (closed === 2) bothClosed.resolve()
    }
    const { url } = yield* serve({
      "/silent": (response) => void response.on("close", close),
      "/slow": (response) => {
        response.on("close", close)
        response.write("a")
      }
    })
    for (const path of ["/silent", "/slow"]) {
      const controller = new AbortController()
      const call = post(url + path, controller.signal).then((response) => response.text())
      setTimeout(() => controller.abort(), 50)
      const failure: unknown = yield* Effect.promise(() => call.catch((cause: unknown) => cause))
      expect(failure instanceof Error ? failure.name : failure).toBe("AbortError")
    }
    yield* Effect.promise(() => bothClosed.promise)
  })
)

it.live("a compressed response is read, and one without end is given up at its bound", () =>
  Effect.gen(function* () {
    const { url } = yield* serve({
      "/gzip": (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("가나다")),
      "/long": (response) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(20_000_000)))
    })
    expect(yield* Effect.promise(async () => (await post(`${url}/gzip`)).text())).toBe("가나다")
    const long = post(`${url}/long`).then((response) => response.text())
    expect(yield* Effect.promise(() => codeOf(long))).toBe("RESPONSE_TOO_LARGE")
  })
)

it.live("the text of a refusal is kept beside the response that the client library gets", () =>
  Effect.gen(function* () {
    const { url } = yield* serve({ "/no": (response) => response.writeHead(400, { "x-request-id": "r" }).end("why") })
    const watched = Transport.watch()
    const response = yield* Effect.promise(() => watched.fetch(`${url}/no`, { method: "POST", body: "{}" }))
    expect([response.status, yield* Effect.promise(() => response.text())]).toEqual([400, "why"])
    expect([watched.refusal(), watched.response()?.headers.get("x-request-id")]).toEqual(["why", "r"])
  })
)

it.live("a reader that stops at the last event ends no process, and the connection is used again", () =>
  Effect.gen(function* () {
    const { asked, connections, url } = yield* serve({
      "/stream": (response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write("data: last\n\n")
        // the end comes while the reader is cancelling
        setImmediate(() => response.end("\n"))
      }
    })
    for (let n = 0; n < 30; n++) {
      const response = yield* Effect.promise(() => post(`${url}/stream`))
      const reader = response.body!.getReader()
      yield* Effect.promise(() => reader.read())
      yield* Effect.promise(() => reader.cancel())
      // a cancelled stream that is closed again would throw in an event handler
      yield* Effect.sleep(5)
    }
    expect(asked).toHaveLength(30)
    if (process.versions.deno === undefined) expect(connections()).toBe(1)
  })
)

it.live("a reader that stops early does not keep a stream open that never ends", () =>
  Effect.gen(function* () {
    const closed = Promise.withResolvers<void>()
    const { url } = yield* serve({
      "/endless": (response) => {
        response.writeHead(200).write("x")
        response.on("close", () => closed.resolve())
      }
    })
    const response = yield* Effect.promise(() => post(`${url}/endless`))
    const reader = response.body!.getReader()
    yield* Effect.promise(() => reader.read())
    yield* Effect.promise(() => reader.cancel())
    yield* Effect.promise(() => closed.promise)
  })
)
