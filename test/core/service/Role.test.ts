import { describe, expect, it } from "@effect/vitest"
import { Role } from "@eco2/core/service"
import { ConfigProvider, Deferred, Effect, Fiber, Layer, References } from "effect"
import { freePort } from "../../../packages/core/src/server/RedisServer.ts"

const get = (url: string) =>
  Effect.promise(async () => {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) })
    return { status: response.status, body: await response.text() }
  })

describe("Role", () => {
  it.live("a starting role answers healthz with 200 and all else with 503, and is ready once its app is built", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const listening = yield* Deferred.make<void>()
      const ready = yield* Deferred.make<void>()
      const appMayCome = yield* Deferred.make<void>()
      const app = Layer.effectDiscard(
        Effect.andThen(Deferred.succeed(listening, undefined), Deferred.await(appMayCome))
      )
      const role = yield* Role.layer({
        role: "test",
        host: "127.0.0.1",
        app,
        started: () => Effect.asVoid(Deferred.succeed(ready, undefined))
      }).pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: String(port) }))),
        Layer.launch,
        Effect.provideService(References.MinimumLogLevel, "None"),
        Effect.forkScoped
      )
      const address = `http://127.0.0.1:${port}`
      yield* Deferred.await(listening)
      expect((yield* get(`${address}/healthz`)).status).toBe(200)
      expect(yield* get(`${address}/readyz`)).toMatchObject({ status: 503, body: expect.stringContaining("starting") })
      expect((yield* get(`${address}/api/v1/scan/categories`)).status).toBe(503)
      yield* Deferred.succeed(appMayCome, undefined)
      yield* Deferred.await(ready)
      expect((yield* get(`${address}/readyz`)).status).toBe(200)
      yield* Fiber.interrupt(role)
    }).pipe(Effect.scoped)
  )

  it.live(
    "a role without a worker – its loop blocked for a second and a half – shows the stall at the next scrape, and once",
    () =>
      Effect.gen(function* () {
        const address = yield* Deferred.make<string>()
        yield* Role.layer({
          role: "test",
          host: "127.0.0.1",
          app: Layer.empty,
          started: (at) => Effect.asVoid(Deferred.succeed(address, at))
        }).pipe(
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: "0" }))),
          Layer.launch,
          Effect.provideService(References.MinimumLogLevel, "None"),
          Effect.forkScoped
        )
        const at = yield* Deferred.await(address)
        const delay = Effect.map(get(`${at}/metrics`), ({ body }) =>
          Number(/^eco2_event_loop_delay_seconds(?:\{[^}]*\})? (\S+)/m.exec(body)?.[1])
        )
        yield* delay
        const end = performance.now() + 1_500
        while (performance.now() < end);
        expect(yield* delay).toBeGreaterThan(0.9)
        expect(yield* delay).toBeLessThan(0.9)
      }).pipe(Effect.scoped)
  )
})
