/** Pictures at an address: which are fetched, which are not, and how little one user's slow hosts delay other users. */
import { describe, expect, it } from "@effect/vitest"
import { CoreConfig, ImageMemory } from "@eco2/core"
import { ConfigProvider, Deferred, Effect, Exit, Fiber, Layer } from "effect"
import type { Scope } from "effect"
import { TestClock } from "effect/testing"
import type { ServerResponse } from "node:http"
import * as ImageMetadata from "../../../packages/actors/src/image/ImageMetadata.ts"
import * as Pictures from "../../../packages/actors/src/model/Pictures.ts"
import { until } from "../../core/Until.ts"
import * as Photos from "../../harness/Photos.ts"
import { png, start } from "./PictureHost.ts"
import type { PictureHost } from "./PictureHost.ts"

const call = { provider: "gemini", model: "gemini-2.5-flash" }
const pictures = (host: PictureHost, env: Record<string, string> = {}, imageMemory = 1_000_000) =>
  Effect.map(
    Effect.orDie(
      Layer.build(
        Pictures.layer.pipe(
          Layer.provide(Layer.provide(ImageMemory.layer, CoreConfig.layerWith({ imageMemory }))),
          Layer.provide(
            ConfigProvider.layer(
              ConfigProvider.fromEnv({ env: { FETCH_ALLOW_PRIVATE: host.places.join(","), ...env } })
            )
          ),
          Layer.fresh
        )
      )
    ),
    (context) => ({
      /** The outcome for a picture: its bytes, or the tag of its error. */
      look: (url: string, owner = "", work: Effect.Effect<void> = Effect.void) =>
        Pictures.Pictures.use((service) =>
          service.use({ ...call, url, owner }, (picture) => Effect.as(work, picture.bytes.length))
        ).pipe(
          Effect.provide(context),
          Effect.match({ onSuccess: (bytes): number | string => bytes, onFailure: ({ _tag }) => _tag })
        )
    })
  )

const looked = (answer: (response: ServerResponse, host: PictureHost) => void, env: Record<string, string> = {}) =>
  Effect.scoped(
    Effect.gen(function* () {
      const host: PictureHost = yield* start((response) => answer(response, host))
      const { look } = yield* pictures(host, env)
      return yield* look(host.url)
    })
  )
/** A host whose pictures under /fast come at once, and all others never. */
const slow: Effect.Effect<PictureHost, never, Scope.Scope> = start((response, path) => {
  if (path.startsWith("/fast")) response.end(png)
})
const arrived = (host: PictureHost, many: number) =>
  TestClock.withLive(until(Effect.sync(host.asked), (asked) => asked >= many))

describe("a picture by its address", () => {
  it.effect("a picture at an address is fetched as bytes, whatever type its server names", () =>
    Effect.gen(function* () {
      const bytes = yield* looked((response) =>
        response.writeHead(200, { "content-type": "application/octet-stream" }).end(png)
      )
      expect(bytes).toBe(png.length)
    })
  )

  it.effect("G1 a picture at a private address is ImageUnusable, and no server is asked", () =>
    Effect.gen(function* () {
      const host = yield* start((response) => response.end(png))
      const { look } = yield* pictures(host, { FETCH_ALLOW_PRIVATE: "" })
      for (const url of [host.url, "http://169.254.169.254/latest/meta-data", "http://localhost/a.png"]) {
        expect(yield* look(url)).toBe("ImageUnusable")
      }
      expect(host.asked()).toBe(0)
    })
  )

  it.effect("an address that has no picture, or one too large, or redirects to a private place is ImageUnusable", () =>
    Effect.gen(function* () {
      const answers: ReadonlyArray<(response: ServerResponse) => void> = [
        (response) => response.writeHead(200, { "content-type": "image/png" }).end("<html>"),
        (response) => response.writeHead(404).end(png),
        (response) => response.end(Buffer.concat([png, Buffer.alloc(10 * 1024 * 1024)])),
        (response) => response.writeHead(200, { "content-type": "image/jpeg" }).end("\0\0\0\x18ftypheic"),
        (response) => response.writeHead(302, { location: "http://169.254.169.254/" }).end()
      ]
      for (const answer of answers) expect(yield* looked(answer)).toBe("ImageUnusable")
    })
  )

  it.effect("I1 a picture that is fetched comes without its metadata, and takes no more room than what is left", () =>
    Effect.gen(function* () {
      const left = ImageMetadata.stripInPlace(Photos.phoneJpeg(6))?.bytes ?? png
      const host = yield* start((response) => response.end(Photos.phoneJpeg(6)))
      const { look } = yield* pictures(host, {}, left.length)
      expect(yield* look(host.url)).toBe(left.length)
    })
  )

  it.effect("a picture whose server answers 429 or 503, or breaks off, is PictureUnavailable", () =>
    Effect.gen(function* () {
      for (const status of [429, 503]) {
        expect(yield* looked((response) => response.writeHead(status).end())).toBe("PictureUnavailable")
      }
      expect(yield* looked((response) => response.destroy())).toBe("PictureUnavailable")
    })
  )

  it.effect("IMAGE_HOSTS is checked at every redirect", () =>
    Effect.gen(function* () {
      const host: PictureHost = yield* start((response, path) => {
        if (path !== "/photo") return void response.end(png)
        response.writeHead(302, { location: `http://${host.places[1]}/there` }).end()
      })
      const listed = yield* pictures(host, { IMAGE_HOSTS: "127.0.0.1" })
      expect(yield* listed.look(host.url)).toBe("ImageUnusable")
      expect(host.asked()).toBe(1)
      const both = yield* pictures(host, { IMAGE_HOSTS: "127.0.0.1,127.0.0.2" })
      expect(yield* both.look(host.url)).toBe(png.length)
    })
  )
})

describe("slow hosts", () => {
  it.effect("a user's slow picture hosts take his places alone, and another user's picture is fetched meanwhile", () =>
    Effect.gen(function* () {
      const host = yield* slow
      const { look } = yield* pictures(host)
      const own = yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.forkChild(look(host.url, "ann")))
      yield* arrived(host, Pictures.mostOfOwner)
      expect(yield* look(`http://${host.places[0]}/fast`, "bob")).toBe(png.length)
      expect(host.asked()).toBe(Pictures.mostOfOwner + 1)
      // those beyond the limit retry, those under way end by the fetch's own time-out
      yield* TestClock.adjust("2 seconds")
      yield* TestClock.adjust("15 seconds")
      const ends = yield* Effect.forEach(own, Fiber.join)
      expect(ends.filter((end) => end === "PictureUnavailable").length).toBe(Pictures.mostOfOwner)
      expect(ends.filter((end) => end === "PicturesBusy").length).toBe(20 - Pictures.mostOfOwner)
    })
  )

  it.effect("a slow host takes a host's places alone, and another host's picture is fetched meanwhile", () =>
    Effect.gen(function* () {
      const host = yield* slow
      const { look } = yield* pictures(host)
      const many = yield* Effect.forEach(Array.from({ length: 20 }), (_, i) =>
        Effect.forkChild(look(host.url, `user-${i}`))
      )
      yield* arrived(host, Pictures.mostOfHost)
      expect(yield* look(`http://${host.places[1]}/fast`, "bob")).toBe(png.length)
      expect(host.asked()).toBe(Pictures.mostOfHost + 1)
      yield* TestClock.adjust("2 seconds")
      const busy = yield* Effect.forEach(many.slice(Pictures.mostOfHost), Fiber.join)
      expect(new Set(busy)).toEqual(new Set(["PicturesBusy"]))
    })
  )

  it.effect("a picture that gets no place within five seconds is PicturesBusy", () =>
    Effect.gen(function* () {
      const host = yield* slow
      const { look } = yield* pictures(host)
      const many = yield* Effect.forEach(Array.from({ length: 36 }), (_, i) =>
        Effect.forkChild(look(`http://${host.places[i % 3]}/photo`, `user-${i}`))
      )
      yield* arrived(host, Pictures.mostAtOnce)
      const last = yield* Effect.forkChild(look(`http://${host.places[2]}/fast`, "bob"))
      yield* TestClock.adjust("4900 millis")
      expect(last.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("100 millis")
      expect(yield* Fiber.join(last)).toBe("PicturesBusy")
      expect(host.asked()).toBe(Pictures.mostAtOnce)
      // a place is released however a fetch ends
      yield* Effect.forEach(many, Fiber.interrupt)
      expect(yield* look(`http://${host.places[2]}/fast`, "bob")).toBe(png.length)
    })
  )
})

describe("memory", () => {
  it.effect("the memory for fetched pictures is limited: the next waits until a call ends, five seconds at most", () =>
    Effect.gen(function* () {
      const host = yield* slow
      const { look } = yield* pictures(host, {}, 100)
      const fast = `http://${host.places[0]}/fast`
      const end = yield* Deferred.make<void>()
      const begun = yield* Deferred.make<void>()
      const first = yield* Effect.forkChild(
        look(fast, "ann", Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(end)))
      )
      yield* Deferred.await(begun)
      const second = yield* Effect.forkChild(look(fast, "bob"))
      yield* arrived(host, 2)
      yield* Effect.repeat(TestClock.adjust("1 second"), { until: () => second.pollUnsafe() !== undefined })
      expect(yield* Fiber.join(second)).toBe("PicturesBusy")
      yield* Deferred.succeed(end, undefined)
      expect(Exit.isSuccess(yield* Fiber.await(first))).toBe(true)
      expect(yield* look(fast, "bob")).toBe(png.length)
    })
  )

  it.effect(
    "the memory of a picture is taken before its bytes come, as many as announced, and freed when it does not come",
    () =>
      Effect.gen(function* () {
        const host = yield* start((response, path) => {
          if (path.startsWith("/fast")) response.end(png)
          else response.writeHead(200, { "content-length": String(100 * 1024) }).flushHeaders()
        })
        const { look } = yield* pictures(host, {}, 100 * 1024)
        const announced = yield* Effect.forkChild(look(host.url, "ann"))
        yield* arrived(host, 1)
        // larger than what small pictures have to themselves
        const large = yield* Effect.forkChild(look(`http://${host.places[1]}/also`, "bob"))
        yield* arrived(host, 2)
        yield* Effect.repeat(TestClock.adjust("1 second"), { until: () => large.pollUnsafe() !== undefined })
        expect(yield* Fiber.join(large)).toBe("PicturesBusy")
        expect(announced.pollUnsafe()).toBeUndefined()
        expect(yield* look(`http://${host.places[2]}/fast`, "carol")).toBe(png.length)
        yield* Fiber.interrupt(announced)
        const next = yield* Effect.forkChild(look(host.url, "bob"))
        yield* arrived(host, 4)
        yield* Effect.repeat(TestClock.adjust("1 second"), { until: () => next.pollUnsafe() !== undefined })
        expect(yield* Fiber.join(next)).toBe("PictureUnavailable")
      })
  )

  it.effect("a picture of unknown length keeps the room that it needs, and the rest is free for the next", () =>
    Effect.gen(function* () {
      const host = yield* start((response) => {
        response.write(png)
        response.end()
      })
      // room for two of 10 MiB beside the small ones
      const { look } = yield* pictures(host, {}, 24 * 1024 * 1024)
      const end = yield* Deferred.make<void>()
      const held = yield* Effect.forEach(["ann", "bob"], (owner) =>
        Effect.gen(function* () {
          const begun = yield* Deferred.make<void>()
          const work = Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(end))
          const looking = yield* Effect.forkChild(look(host.url, owner, work))
          yield* Deferred.await(begun)
          return looking
        })
      )
      expect(yield* look(host.url, "carol")).toBe(png.length)
      yield* Deferred.succeed(end, undefined)
      expect(yield* Effect.forEach(held, Fiber.join)).toEqual([png.length, png.length])
    })
  )
})
