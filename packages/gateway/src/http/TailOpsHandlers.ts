/** TailOpsHandlers: the operators' live tail, an event stream for each who watches (OperatorTail). */
import { Refusal } from "@eco2/core/http"
import { Role } from "@eco2/core/service"
import { Effect, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import * as OperatorTail from "../events/OperatorTail.ts"
import { Api } from "./ScanApi.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "tail",
  Effect.fnUntraced(function* (handlers) {
    const { watch } = yield* OperatorTail.make
    const stopping = yield* Role.Stopping
    return handlers.handle(
      "events",
      Effect.fnUntraced(function* ({ query }) {
        const text = yield* watch(query)
        if (text === null) {
          return yield* Refusal.make(503, "TOO_MANY_VIEWERS", "too many operators watch; try again later", "5 seconds")
        }
        return HttpServerResponse.stream(Stream.encodeText(Stream.interruptWhen(text, stopping.requested)), {
          contentType: "text/event-stream; charset=utf-8",
          headers: { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" }
        })
      })
    )
  })
)
