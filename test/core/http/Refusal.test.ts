/** Declared refusals, requests that a schema does not decode, and defects, as responses. */
import { describe, expect, it } from "@effect/vitest"
import { ErrorBody, Refusal } from "@eco2/core/http"
import { Context, Effect, Layer, Logger, Schema } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

const full = Refusal.make(429, "FULL", "come back", "1100 millis")
const Calls = HttpApiGroup.make("calls").add(
  HttpApiEndpoint.get("refused", "/refused", { error: Refusal.declared(429, "FULL", "BUSY") }),
  HttpApiEndpoint.get("counted", "/counted", { query: { n: Schema.NumberFromString.check(Schema.isInt()) } }),
  HttpApiEndpoint.get("broken", "/broken"),
  HttpApiEndpoint.get("unwritten", "/unwritten", { success: Schema.String.check(Schema.isMaxLength(1)) })
)
class Api extends HttpApi.make("test").add(Calls).middleware(ErrorBody.Failures) {}

const logs: Array<unknown> = []
const handlers = HttpApiBuilder.group(Api, "calls", (of) =>
  of
    .handle("refused", () => Effect.fail(full))
    .handle("counted", () => Effect.void)
    .handle("broken", () => Effect.die(new Error("secret")))
    .handle("unwritten", () => Effect.succeed("too long"))
)
const { handler } = HttpRouter.toWebHandler(
  Layer.mergeAll(
    HttpApiBuilder.layer(Api),
    ErrorBody.layer,
    HttpRouter.add("GET", "/interrupted", Effect.interrupt),
    HttpRouter.add("GET", "/empty/:status", ({ url }) =>
      Effect.succeed(HttpServerResponse.empty({ status: Number(url.split("/").at(-1)) }))
    )
  ).pipe(
    Layer.provide(handlers),
    Layer.provide(ErrorBody.failures),
    Layer.provide(HttpServer.layerServices),
    Layer.provideMerge(Logger.layer([Logger.make(({ message }) => void logs.push(message))]))
  ),
  { disableLogger: true }
)
const get = async (path: string) => {
  const response = await handler(new Request(`http://127.0.0.1${path}`), Context.empty())
  return [response.status, await response.text(), response.headers.get("retry-after")] as const
}

describe("Refusal", () => {
  it("a refusal is answered as {detail, code} with its status; its Retry-After is rounded up, as an earlier request is refused again", async () => {
    expect(await get("/refused")).toEqual([429, '{"detail":"come back","code":"FULL"}', "2"])
  })

  it("a refusal has the same response from an HttpApi and from a route of its own", async () => {
    const response = await Effect.runPromise(Refusal.respond(Effect.fail(full)))
    expect([response.status, response.headers["retry-after"]]).toEqual([429, "2"])
    expect(Refusal.toResponse(Refusal.unavailable("away", "1 millis")).headers["retry-after"]).toBe("1")
    expect(Refusal.toResponse(Refusal.make(401, "WHO", "?")).headers["www-authenticate"]).toBe("Bearer")
  })

  it("a refusal with another status, code or kind of detail is not the declared one", () => {
    const isDeclared = Schema.is(Refusal.declared(404, "GONE"))
    const others = [Refusal.make(404, "AWAY", ""), Refusal.make(410, "GONE", ""), Refusal.make(404, "GONE", [])]
    expect([Refusal.make(404, "GONE", ""), ...others].map(isDeclared)).toEqual([true, false, false, false])
  })
})

describe("ErrorBody.layer", () => {
  it("a request that the server's end interrupts is answered with 503 and Retry-After: another process may serve it", async () => {
    expect(await get("/interrupted")).toEqual([503, expect.stringContaining('"code":"UNAVAILABLE"'), "2"])
  })

  it.each([
    [400, "INVALID_REQUEST"],
    [404, "NOT_FOUND"],
    [500, "INTERNAL"],
    [502, "INTERNAL"],
    [503, "UNAVAILABLE"]
  ])("an error response %s without a body gets one, and keeps its status", async (status, code) => {
    const [answered, body] = await get(`/empty/${status}`)
    expect([answered, JSON.parse(body).code]).toEqual([status, code])
  })

  it.each([200, 304])("a response %i without a body that is no error stays empty", async (status) => {
    expect((await get(`/empty/${status}`)).slice(0, 2)).toEqual([status, ""])
  })
})

describe("ErrorBody.Failures", () => {
  it("a request that its schema does not decode is answered with 400 INVALID_REQUEST", async () => {
    expect(await get("/counted?n=1.5")).toEqual([400, expect.stringContaining('"code":"INVALID_REQUEST"'), null])
    expect((await get("/counted?n=1"))[0]).toBe(204)
  })

  it.each(["/broken", "/unwritten"])(
    "the defect of %s is answered with 500 INTERNAL without its reason, and is logged",
    async (path) => {
      logs.length = 0
      expect(await get(path)).toEqual([500, '{"detail":"internal error","code":"INTERNAL"}', null])
      expect(logs.flat()).toEqual(["request failed"])
    }
  )
})
