/** Request bodies are bounded singly, by user, and together: a refused client may retry, and memory is always released. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { HttpServerRequest } from "effect/http"
import { TestClock } from "effect/testing"
import * as RequestBody from "../../../packages/gateway/src/http/RequestBody.ts"
import { mostBodyBytes, mostImageBytes } from "../../../packages/gateway/src/http/SubmitBody.ts"

const KiB = 1024
const freeBytes = 64 * KiB
/** Bytes of bodies beyond the small ones; each counts twice. */
const most = 1_000 * KiB
const limits = { most: RequestBody.copies * most, mostOfUser: RequestBody.copies * most }

/** A submit that arrives as the test says, and a reader of it in its own scope. */
const sending = Effect.fnUntraced(function* (
  bodies: RequestBody.RequestBody,
  options: { readonly user?: string; readonly headers?: Readonly<Record<string, string>> } = {}
) {
  const scope = yield* Scope.make()
  let arriving: ReadableStreamDefaultController<Uint8Array> | undefined
  let pulled = 0
  const body = new ReadableStream<Uint8Array>(
    { start: (controller) => void (arriving = controller), pull: () => void pulled++ },
    { highWaterMark: 0 }
  )
  const request = HttpServerRequest.fromWeb(
    new Request("http://127.0.0.1/api/v1/scan", {
      method: "POST",
      headers: options.headers ?? {},
      body,
      duplex: "half"
    })
  )
  const reading = yield* Effect.forkChild(Scope.provide(bodies.submit(request, options.user ?? "ann"), scope))
  let sent = 0
  /** Resumes once the reader waits for more than was sent, or has ended. */
  const taken = Effect.callback<void>((resume) => {
    const look = () => {
      if (pulled > sent || reading.pollUnsafe() !== undefined) resume(Effect.void)
      else setImmediate(look)
    }
    look()
  })
  const enqueue = (bytes: Uint8Array) =>
    Effect.sync(() => {
      if (reading.pollUnsafe() !== undefined) return
      arriving!.enqueue(bytes)
      sent++
    })
  return {
    /** A chunk arrives and is read. */
    send: (bytes: Uint8Array | number) =>
      taken.pipe(
        Effect.andThen(enqueue(typeof bytes === "number" ? new Uint8Array(bytes).fill(0x61) : bytes)),
        Effect.andThen(taken)
      ),
    end: Effect.sync(() => {
      if (reading.pollUnsafe() === undefined) arriving!.close()
    }),
    breakOff: Effect.sync(() => arriving!.error(new Error("gone"))),
    /** A chunk arrives; the test does not wait. */
    enqueue: (bytes: Uint8Array) => arriving!.enqueue(bytes),
    taken,
    body: Fiber.join(reading),
    refused: Effect.flip(Fiber.join(reading)),
    /** The request is over. */
    close: Scope.close(scope, Exit.void)
  }
})
/** `{"image_url":"data:…` of so many bytes in all, whole or as far as it goes. */
const begin = '{"image_url":"data:image/png;base64,'
const photo = (bytes: number, end = '"}') => Buffer.from(begin + "A".repeat(bytes - begin.length - end.length) + end)
const whole = Effect.fnUntraced(function* (bodies: RequestBody.RequestBody, bytes: number, user = "ann") {
  const one = yield* sending(bodies, { user })
  yield* one.send(photo(bytes))
  yield* one.end
  return one
})
const full = { status: 503, code: "TOO_MANY_UPLOADS", retryAfter: expect.anything() }
const userFull = { status: 429, code: "TOO_MANY_PHOTOS", retryAfter: expect.anything() }
const slow = { status: 408, code: "REQUEST_TIMEOUT" }

describe("RequestBody", () => {
  it.effect("a body arrives whole, also with characters cut between two chunks", () =>
    Effect.gen(function* () {
      const one = yield* sending(yield* RequestBody.make(limits))
      const bytes = Buffer.from('{"user_input":"이 물건은? 🗑️"}')
      for (const byte of bytes) yield* one.send(Uint8Array.of(byte))
      yield* one.end
      expect((yield* one.body).text).toBe(bytes.toString())
    })
  )

  it.effect(
    "of a user's large bodies one chunk is handled in a turn of the loop, and another user's between them",
    () =>
      Effect.gen(function* () {
        const bodies = yield* RequestBody.make({ most: 40 * most, mostOfUser: 20 * most })
        const handled: Array<string> = []
        /** A chunk's bytes are looked at when it is handled. */
        const noted = (user: string) => {
          const chunk = photo(freeBytes + KiB, "")
          return new Proxy(chunk, {
            get: (target, name) => {
              if (name === "buffer") handled.push(user)
              const value: unknown = Reflect.get(target, name, target)
              return typeof value === "function" ? value.bind(target) : value
            }
          })
        }
        const several = yield* Effect.forEach(Array.from({ length: 8 }), () => sending(bodies, { user: "mallory" }))
        const bob = yield* sending(bodies, { user: "bob" })
        for (const one of [...several, bob]) yield* one.taken
        yield* Effect.sync(() => {
          for (const one of several) one.enqueue(noted("mallory"))
          bob.enqueue(noted("bob"))
        })
        const byTurn: Array<ReadonlyArray<string>> = []
        yield* Effect.promise(async () => {
          while (byTurn.flat().length < 9) {
            await new Promise<void>((resolve) => setImmediate(resolve))
            byTurn.push(handled.splice(0))
          }
        })
        expect(Math.max(...byTurn.map((turn) => turn.filter((user) => user === "mallory").length))).toBe(1)
        expect(byTurn.flat().indexOf("bob")).toBeLessThan(3)
      })
  )

  it.effect("a body is refused with 503 once all bodies together hold the limit, and one begun before goes on", () =>
    Effect.gen(function* () {
      const bodies = yield* RequestBody.make({ most: RequestBody.copies * most, mostOfUser: 10 * most })
      const first = yield* sending(bodies)
      yield* first.send(photo(freeBytes + most / 2, ""))
      const second = yield* sending(bodies, { user: "bob" })
      yield* second.send(photo(freeBytes + most / 2, ""))
      yield* second.send(1)
      yield* second.end
      expect(yield* second.refused).toMatchObject(full)
      yield* second.close
      yield* first.send(Buffer.from("A".repeat(most / 2 - 2) + '"}'))
      yield* first.end
      expect((yield* first.body).picture?.bytes.length).toBeGreaterThan(0.7 * most)
      // held until the request is answered
      expect(yield* (yield* whole(bodies, freeBytes + 1, "bob")).refused).toMatchObject(full)
      yield* first.close
      yield* (yield* whole(bodies, freeBytes + most, "bob")).body
    })
  )

  it.effect("a user whose bodies hold the user's share is refused with 429, and the others' photos are accepted", () =>
    Effect.gen(function* () {
      const bodies = yield* RequestBody.make({ most: 10 * most, mostOfUser: RequestBody.copies * most })
      const unfinished = yield* sending(bodies)
      yield* unfinished.send(photo(freeBytes + most, ""))
      expect(yield* (yield* whole(bodies, freeBytes + 1)).refused).toMatchObject(userFull)
      yield* (yield* whole(bodies, freeBytes + most, "bob")).body
      yield* unfinished.close
      yield* (yield* whole(bodies, freeBytes + most)).body
    })
  )

  it.effect("a user with 64 small bodies under way is refused with 429, and the others' are accepted", () =>
    Effect.gen(function* () {
      const bodies = yield* RequestBody.make(limits)
      for (let n = 0; n < 64; n++) yield* (yield* sending(bodies, { user: "mallory" })).send(photo(freeBytes, ""))
      expect(yield* (yield* whole(bodies, 1_000, "mallory")).refused).toMatchObject(userFull)
      yield* (yield* whole(bodies, 1_000, "bob")).body
    })
  )

  it.effect("a body of 64 KiB or less is accepted whatever memory photos hold, up to 32 MiB of such bodies", () =>
    Effect.gen(function* () {
      const bodies = yield* RequestBody.make(limits)
      yield* (yield* whole(bodies, freeBytes + most)).body
      for (let n = 1; n < 512; n++) {
        const one = yield* whole(bodies, freeBytes, `user ${n}`)
        expect((yield* one.body).picture?.header).toBe("data:image/png;base64,")
      }
      expect(yield* (yield* whole(bodies, freeBytes)).refused).toMatchObject(full)
    })
  )

  it.effect("a body whose length does not fit is refused unread, and an announced length alone holds no memory", () =>
    Effect.gen(function* () {
      const bodies = yield* RequestBody.make(limits)
      const announcing = (bytes: number) => sending(bodies, { headers: { "content-length": String(bytes) } })
      const silent = yield* announcing(freeBytes + most)
      yield* silent.taken
      const one = yield* whole(bodies, freeBytes + 100)
      yield* one.body
      expect(yield* (yield* announcing(freeBytes + most)).refused).toMatchObject(userFull)
      expect(yield* (yield* announcing(mostBodyBytes + 1)).refused).toMatchObject({ status: 413 })
    })
  )

  it.effect("a body's memory is freed when the client disconnects", () =>
    Effect.gen(function* () {
      const bodies = yield* RequestBody.make(limits)
      const gone = yield* sending(bodies)
      yield* gone.send(photo(freeBytes + most, ""))
      yield* gone.breakOff
      expect(yield* gone.refused).toMatchObject({ status: 400 })
      yield* gone.close
      yield* (yield* whole(bodies, freeBytes + most)).body
    })
  )

  it.effect("a body that brings less than 64 KiB in ten seconds is ended, one that brings more is not", () =>
    Effect.gen(function* () {
      const bodies = yield* RequestBody.make(limits)
      const slowly = yield* sending(bodies)
      const steadily = yield* sending(bodies, { user: "bob" })
      yield* slowly.send(photo(freeBytes, ""))
      yield* steadily.send(photo(freeBytes, ""))
      yield* TestClock.adjust("10 seconds")
      yield* slowly.send(Buffer.from("A".repeat(freeBytes - 1)))
      yield* steadily.send(Buffer.from("A".repeat(freeBytes)))
      yield* TestClock.adjust("10 seconds")
      expect(yield* slowly.refused).toMatchObject(slow)
      yield* steadily.send(Buffer.from('"}'))
      yield* steadily.end
      yield* steadily.body
    })
  )

  it.effect("a body that takes two minutes is ended, however steadily it comes", () =>
    Effect.gen(function* () {
      const bodies = yield* RequestBody.make({ most: 100 * most, mostOfUser: 100 * most })
      const one = yield* sending(bodies)
      yield* one.send(photo(freeBytes, ""))
      for (let seconds = 0; seconds < 110; seconds += 10) {
        yield* one.send(Buffer.from("A".repeat(freeBytes)))
        yield* TestClock.adjust("10 seconds")
      }
      yield* one.send(Buffer.from("A".repeat(freeBytes)))
      yield* TestClock.adjust("10 seconds")
      expect(yield* one.refused).toMatchObject(slow)
    })
  )

  it.effect("a body that has arrived is not ended while its scan is being accepted", () =>
    Effect.gen(function* () {
      const bodies = yield* RequestBody.make(limits)
      const one = yield* whole(bodies, freeBytes + most)
      yield* one.body
      yield* TestClock.adjust("5 minutes")
      expect((yield* one.body).picture).not.toBe(null)
    })
  )

  it.effect("a body larger than any scan is refused with 413, whatever memory is free", () =>
    Effect.gen(function* () {
      const bodies = yield* RequestBody.make({ most: 10 * mostBodyBytes, mostOfUser: 10 * mostBodyBytes })
      const largest = begin.length + Math.ceil(mostImageBytes / 3) * 4 + 2
      expect(yield* (yield* whole(bodies, largest + 4)).refused).toMatchObject({ status: 413, code: "IMAGE_TOO_LARGE" })
      expect(yield* (yield* whole(bodies, mostBodyBytes + 1)).refused).toMatchObject({ status: 413 })
    })
  )

  it.effect("the rest of a refused body is dropped and takes no room, and is slow like any other when it stalls", () =>
    Effect.gen(function* () {
      const bodies = yield* RequestBody.make(limits)
      const one = yield* sending(bodies)
      yield* one.send(photo(freeBytes + most, ""))
      yield* one.send(1)
      yield* (yield* whole(bodies, freeBytes + most)).body
      yield* TestClock.adjust("20 seconds")
      expect(yield* one.refused).toMatchObject(slow)
    })
  )

  it.effect("a body without a picture is refused with 413 beyond 64 KiB", () =>
    Effect.gen(function* () {
      const bodies = yield* RequestBody.make(limits)
      const one = yield* sending(bodies)
      yield* one.send(Buffer.from("[".repeat(freeBytes + 1)))
      yield* one.end
      expect(yield* one.refused).toMatchObject({ status: 400, code: "INVALID_JSON" })
      const other = yield* sending(bodies)
      yield* other.send(Buffer.from(`{"user_input":"${"a".repeat(freeBytes)}`))
      yield* other.end
      expect(yield* other.refused).toMatchObject({ status: 413, code: "BODY_TOO_LARGE" })
    })
  )
})
