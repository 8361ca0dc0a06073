/** Request bodies are bounded singly and together: a refused client may retry, and memory is always released. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { HttpServerRequest } from "effect/http"
import { TestClock } from "effect/testing"
import * as RequestBody from "../../../packages/gateway/src/http/RequestBody.ts"
import { mostBodyBytes } from "../../../packages/gateway/src/http/ScanSubmission.ts"

const KiB = 1024
const freeBytes = 64 * KiB
/** Room beyond the uncounted bytes. */
const most = 1_000 * KiB

/** A body that arrives as the test says, and a reader of it in its own scope. */
const sending = Effect.fnUntraced(function* (
  read: ReturnType<typeof RequestBody.make>,
  headers: Readonly<Record<string, string>> = {}
) {
  const scope = yield* Scope.make()
  let arriving: ReadableStreamDefaultController<Uint8Array> | undefined
  let pulled = 0
  const body = new ReadableStream<Uint8Array>(
    { start: (controller) => void (arriving = controller), pull: () => void pulled++ },
    { highWaterMark: 0 }
  )
  const request = HttpServerRequest.fromWeb(
    new Request("http://127.0.0.1/api/v1/scan", { method: "POST", headers, body, duplex: "half" })
  )
  const reading = yield* Effect.forkChild(Scope.provide(read(request), scope))
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
    taken,
    text: Fiber.join(reading),
    refused: Effect.flip(Fiber.join(reading)),
    /** The request is over. */
    close: Scope.close(scope, Exit.void)
  }
})
const whole = Effect.fnUntraced(function* (read: ReturnType<typeof RequestBody.make>, bytes: number) {
  const one = yield* sending(read)
  yield* one.send(bytes)
  yield* one.end
  return one
})
const full = { status: 503, code: "TOO_MANY_UPLOADS", retryAfter: expect.anything() }

describe("RequestBody", () => {
  it.effect("a body arrives whole, also with characters cut between two chunks", () =>
    Effect.gen(function* () {
      const one = yield* sending(RequestBody.make(most))
      const bytes = Buffer.from('{"user_input":"이 물건은? 🗑️"}')
      for (const byte of bytes) yield* one.send(Uint8Array.of(byte))
      yield* one.end
      expect(yield* one.text).toBe(bytes.toString())
    })
  )

  it.effect("a body is refused with 503 once all bodies together hold the limit, and one begun before goes on", () =>
    Effect.gen(function* () {
      const read = RequestBody.make(most)
      const first = yield* sending(read)
      yield* first.send(freeBytes + most / 2)
      const second = yield* sending(read)
      yield* second.send(freeBytes + most / 2)
      yield* second.send(1)
      expect(yield* second.refused).toMatchObject(full)
      yield* second.close
      yield* first.send(most / 2)
      yield* first.end
      expect((yield* first.text).length).toBe(freeBytes + most)
      // held until the request is answered
      expect(yield* (yield* whole(read, freeBytes + 1)).refused).toMatchObject(full)
      yield* first.close
      expect((yield* (yield* whole(read, freeBytes + most)).text).length).toBe(freeBytes + most)
    })
  )

  it.effect("a body of 64 KiB or less is accepted whatever memory the others hold", () =>
    Effect.gen(function* () {
      const read = RequestBody.make(most)
      yield* (yield* whole(read, freeBytes + most)).text
      for (let n = 0; n < 20; n++) expect((yield* (yield* whole(read, freeBytes)).text).length).toBe(freeBytes)
      expect(yield* (yield* whole(read, freeBytes + 1)).refused).toMatchObject(full)
    })
  )

  it.effect("a body whose length does not fit is refused unread, and an announced length alone holds no memory", () =>
    Effect.gen(function* () {
      const read = RequestBody.make(most)
      const silent = yield* sending(read, { "content-length": String(freeBytes + most) })
      yield* silent.taken
      const one = yield* whole(read, freeBytes + 1)
      yield* one.text
      const refused = yield* sending(read, { "content-length": String(freeBytes + most) })
      expect(yield* refused.refused).toMatchObject(full)
      expect(yield* (yield* sending(read, { "content-length": String(mostBodyBytes + 1) })).refused).toMatchObject({
        status: 413
      })
    })
  )

  it.effect("a body's memory is freed when the client disconnects, and after two minutes", () =>
    Effect.gen(function* () {
      const read = RequestBody.make(most)
      const gone = yield* sending(read)
      yield* gone.send(freeBytes + most)
      yield* gone.breakOff
      expect(yield* gone.refused).toMatchObject({ status: 400 })
      yield* gone.close
      const slow = yield* sending(read)
      yield* slow.send(freeBytes + most)
      yield* TestClock.adjust("119 seconds")
      expect(yield* (yield* whole(read, freeBytes + 1)).refused).toMatchObject(full)
      yield* TestClock.adjust("1 second")
      expect(yield* slow.refused).toMatchObject({ status: 408, code: "REQUEST_TIMEOUT" })
      yield* slow.close
      expect((yield* (yield* whole(read, freeBytes + most)).text).length).toBe(freeBytes + most)
    })
  )

  it.effect("a body larger than any scan is refused with 413, whatever memory is free", () =>
    Effect.gen(function* () {
      const read = RequestBody.make(10 * mostBodyBytes)
      expect((yield* (yield* whole(read, mostBodyBytes)).text).length).toBe(mostBodyBytes)
      expect(yield* (yield* whole(read, mostBodyBytes + 1)).refused).toMatchObject({ status: 413 })
    })
  )
})
