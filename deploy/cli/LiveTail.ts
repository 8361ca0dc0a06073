/**
 * LiveTail: the events of all jobs as they come, by the gateway's event stream, until it is interrupted. A connection that is lost,
 * or silent for longer than the gateway's keepalives, is made again; that, and that events may be missing, is said on standard error.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Sse from "effect/encoding/Sse"
import { fail } from "./CommandFailed.ts"
import type { CommandFailed } from "./CommandFailed.ts"
import { Operator } from "./Operator.ts"
import { moment, printLine, say } from "./Output.ts"

/** The gateway sends something every 15 seconds. */
const longestSilence = "40 seconds"
const pause = "1 second"
/** Connections that are tried in a row, before the command gives up. */
const mostTries = 60

const TailEvent = Schema.fromJsonString(
  Schema.Struct({
    job_id: Schema.String,
    pipeline: Schema.String,
    owner: Schema.String,
    seq: Schema.NullOr(Schema.Int),
    ts: Schema.Number,
    stage: Schema.String,
    status: Schema.String,
    progress: Schema.Number
  })
)
const decode = Schema.decodeUnknownOption(TailEvent)

export interface Filters {
  readonly pipeline?: string
  readonly owner?: string
}

const told = Effect.fnUntraced(function* ({ data, event }: Sse.Event) {
  if (event === "gap") return yield* say("events may be missing here")
  if (event !== "event") return
  const known = decode(data)
  if (Option.isNone(known)) return yield* say("an event that this version does not understand")
  const { job_id, owner, pipeline, progress, stage, status, ts } = known.value
  yield* printLine(
    known.value,
    () => `${moment(ts * 1_000)}  ${job_id}  ${pipeline || "-"}  ${owner || "-"}  ${stage} ${status}  ${progress}%`
  )
})

/** One connection, until it is lost; whether anything came. */
const watched = Effect.fnUntraced(function* (query: Filters, opened: Effect.Effect<void>) {
  const operator = yield* Operator
  const response = yield* operator.ask(({ tail }) => tail.events({ query, responseMode: "response-only" }))
  yield* opened
  yield* response.stream.pipe(
    Stream.timeoutOrElse({ duration: longestSilence, orElse: () => Stream.empty }),
    Stream.decodeText,
    Stream.pipeThroughChannel(Sse.decode()),
    Stream.runForEach(told),
    // cut, by either side: it is made again
    Effect.ignore
  )
})

export const follow = Effect.fnUntraced(function* (query: Filters) {
  const state = { isFirst: true, tries: 0 }
  const opened = Effect.suspend(() => {
    const { isFirst } = state
    Object.assign(state, { isFirst: false, tries: 0 })
    return isFirst ? Effect.void : say("connected again; events may be missing here")
  })
  for (;;) {
    const lost = yield* Effect.match(watched(query, opened), {
      onSuccess: () => null,
      onFailure: (error: CommandFailed) => error
    })
    // the first connection must succeed, and a refusal is no outage
    if (lost !== null && (state.isFirst || lost.exit !== "unreachable")) return yield* lost
    if (state.tries === 0) yield* say("the connection is lost; connecting again")
    state.tries++
    if (state.tries > mostTries) return yield* lost ?? fail("unreachable", "the gateway closes every connection")
    yield* Effect.sleep(pause)
  }
})
