/**
 * RequestBody: reads a request's body as text, bounded three ways: in bytes of its own (413), in time (408), and, with all
 * others this process holds at that time, in bytes of UPLOAD_MEMORY (503: it is told to come back, nobody waits inside).
 * What has arrived is counted, not what was announced, from a body's first 64 KiB on: a scan by address is never refused for
 * other people's pictures, and who announces much and sends nothing takes no room. It is held until the scope closes.
 */
import { Refusal } from "@eco2/core/http"
import { Effect, Metric, Stream } from "effect"
import type { Duration, Scope } from "effect"
import type { HttpServerError, HttpServerRequest } from "effect/http"
import { mostBodyBytes, tooLarge } from "./ScanSubmission.ts"

/** Bodies refused because this process holds its limit of them. */
const uploadsRefused = Metric.counter("eco2_uploads_refused_total", {
  incremental: true,
  description: "request bodies refused at UPLOAD_MEMORY"
})

/** Of each body, not counted. */
const freeBytes = 64 * 1024
/** The largest body in this time takes a line of 1 Mbit/s. */
const patience: Duration.Input = "2 minutes"

/** What a reader refuses with, for the description of its calls; and 503 TOO_MANY_UPLOADS. */
export const refusals = [
  Refusal.declared(400, "INVALID_REQUEST"),
  Refusal.declared(408, "REQUEST_TIMEOUT"),
  Refusal.declared(413, "IMAGE_TOO_LARGE")
] as const
type Refused = (typeof refusals)[number]["Type"] | Refusal.Refusal<503, "TOO_MANY_UPLOADS", string>

export type Read = (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<string, Refused, Scope.Scope>

/** A reader whose bodies share `most` bytes: one a process, for all routes. */
export const make = (most: number): Read => {
  let held = 0
  const full = Effect.suspend(() =>
    Effect.andThen(
      Metric.update(uploadsRefused, 1),
      Effect.fail(Refusal.make(503, "TOO_MANY_UPLOADS", "too many pictures are arriving; try again later", "2 seconds"))
    )
  )
  return Effect.fnUntraced(function* (request) {
    const announced = Number(request.headers["content-length"] ?? 0)
    if (announced > mostBodyBytes) return yield* tooLarge()
    if (held + announced - freeBytes > most && announced > freeBytes) return yield* full
    const own = yield* Effect.acquireRelease(
      Effect.sync(() => ({ arrived: 0, counted: 0 })),
      ({ counted }) => Effect.sync(() => void (held -= counted))
    )
    const decoder = new TextDecoder()
    let text = ""
    yield* Stream.runForEach(request.stream, (chunk): Effect.Effect<void, Refused> => {
      own.arrived += chunk.length
      if (own.arrived > mostBodyBytes) return Effect.fail(tooLarge())
      const more = Math.max(0, own.arrived - freeBytes) - own.counted
      if (held + more > most) return full
      held += more
      own.counted += more
      text += decoder.decode(chunk, { stream: true })
      return Effect.void
    }).pipe(
      Effect.mapError((error: HttpServerError.HttpServerError | Refused) =>
        error._tag === "Refusal" ? error : Refusal.make(400, "INVALID_REQUEST", "the body could not be read")
      ),
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () => Effect.fail(Refusal.make(408, "REQUEST_TIMEOUT", "the body took too long to arrive"))
      })
    )
    return text + decoder.decode()
  })
}
