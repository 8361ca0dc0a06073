/**
 * RequestBody: reads a request's body as text, bounded in its own bytes (413), in time (408), and, together with all bodies this
 * process holds, in bytes of UPLOAD_MEMORY (503: the client retries; nobody waits inside).
 * Bytes count when they arrive, not when they are announced, and only beyond a body's first 64 KiB: a scan by address is never
 * refused because of other users' photos, and a client that announces much and sends nothing takes no room. The room is
 * released when the scope closes.
 */
import { Refusal } from "@eco2/core/http"
import { Effect, Metric, Stream } from "effect"
import type { Duration, Scope } from "effect"
import type { HttpServerError, HttpServerRequest } from "effect/http"
import { mostBodyBytes, tooLarge } from "./ScanSubmission.ts"

/** Bodies refused because this process holds its maximum of them. */
const uploadsRefused = Metric.counter("eco2_uploads_refused_total", {
  incremental: true,
  description: "request bodies refused at UPLOAD_MEMORY"
})

/** Bytes of each body that are not counted. */
const freeBytes = 64 * 1024
/** Enough for the largest body on a line of 1 Mbit/s. */
const patience: Duration.Input = "2 minutes"

/** The refusals of a reader, for the API description; beside these 503 TOO_MANY_UPLOADS. */
export const refusals = [
  Refusal.declared(400, "INVALID_REQUEST"),
  Refusal.declared(408, "REQUEST_TIMEOUT"),
  Refusal.declared(413, "IMAGE_TOO_LARGE")
] as const
type Refused = (typeof refusals)[number]["Type"] | Refusal.Refusal<503, "TOO_MANY_UPLOADS", string>

export type Read = (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<string, Refused, Scope.Scope>

/** A reader whose bodies share `most` bytes: one for each process, for all routes. */
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
