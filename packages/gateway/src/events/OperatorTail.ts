/**
 * OperatorTail: the events of all jobs as they come, for operators, filtered by pipeline, owner and job. All who watch share one
 * tail of this process, open only while somebody does. Each has a bounded queue: whoever does not keep up loses the oldest, and is
 * told how many. Whose job it is and of which pipeline is asked once a job (JobList). Nothing of what stages found is in it.
 */
import { EventLog } from "@eco2/core/client"
import type { JobEvent } from "@eco2/core/client"
import { JobList } from "@eco2/core/operations"
import { Effect, Queue, RcRef, Stream } from "effect"
import type { Scope } from "effect"
import { Sse } from "effect/encoding"

export interface Filters {
  readonly pipeline?: string
  readonly owner?: string
  readonly job_id?: string
}

type Told =
  | { readonly _tag: "events"; readonly id: string; readonly events: ReadonlyArray<JobEvent.JobEvent> }
  | { readonly _tag: "gap" }
  | { readonly _tag: "keepalive" }

/** Operators that may watch one process at once. */
export const mostWatchers = 16
/** Jobs' events that may wait for one of them. */
const mostWaiting = 2_000
/** Jobs that are remembered with their owners. */
const mostKnown = 20_000
const keepalive = "15 seconds"

const frame = (event: string, data: unknown): string =>
  Sse.encoder.write({ _tag: "Event", event, id: undefined, data: JSON.stringify(data) })

export interface OperatorTail {
  /** Text of an event stream; null: too many watch already. */
  readonly watch: (filters: Filters) => Effect.Effect<Stream.Stream<string> | null, never, Scope.Scope>
}

export const make: Effect.Effect<OperatorTail, never, EventLog.EventLog | JobList.JobList | Scope.Scope> = Effect.gen(
  function* () {
    const log = yield* EventLog.EventLog
    const list = yield* JobList.JobList
    const watchers = new Set<(told: Told) => void>()
    const tell = (told: Told) => {
      for (const watcher of watchers) watcher(told)
    }
    const tail = yield* RcRef.make({
      acquire: log.tail({
        events: (id, events) => tell({ _tag: "events", id, events }),
        gap: () => tell({ _tag: "gap" }),
        answered: () => {}
      }),
      idleTimeToLive: "10 seconds"
    })
    const known = new Map<string, { readonly pipeline: string; readonly owner: string }>()
    const aboutOf = Effect.fnUntraced(function* (id: string) {
      const found = known.get(id)
      if (found !== undefined) return found
      // a job that is gone, or a Redis that does not answer: the event is shown without
      const about = yield* Effect.orElseSucceed(list.about(id), () => null)
      if (about === null) return { pipeline: "", owner: "" }
      if (known.size >= mostKnown) known.clear()
      known.set(id, about)
      return about
    })

    const textOf = (filters: Filters) =>
      Effect.fnUntraced(function* (told: Told) {
        if (told._tag === "gap") return frame("gap", { note: "events may be missing here" })
        if (told._tag === "keepalive") return frame("keepalive", {})
        if (filters.job_id !== undefined && told.id !== filters.job_id) return ""
        const about = yield* aboutOf(told.id)
        if (filters.pipeline !== undefined && about.pipeline !== filters.pipeline) return ""
        if (filters.owner !== undefined && about.owner !== filters.owner) return ""
        return told.events
          .map(({ progress, seq, stage, status, ts }) =>
            frame("event", { job_id: told.id, ...about, seq, ts, stage, status, progress })
          )
          .join("")
      })

    return {
      watch: Effect.fnUntraced(function* (filters) {
        if (watchers.size >= mostWatchers) return null
        const queue = yield* Queue.sliding<Told>(mostWaiting)
        const watcher = (told: Told) => void Queue.offerUnsafe(queue, told)
        yield* Effect.acquireRelease(
          Effect.sync(() => void watchers.add(watcher)),
          () => Effect.sync(() => void watchers.delete(watcher))
        )
        // Redis does not answer: the tail is opened again with the next keepalive
        const open = Effect.ignore(RcRef.get(tail))
        yield* open
        yield* Effect.forkScoped(
          Effect.forever(
            Effect.sleep(keepalive).pipe(
              Effect.andThen(open),
              Effect.andThen(Effect.sync(() => watcher({ _tag: "keepalive" })))
            )
          )
        )
        return Stream.concat(
          Stream.succeed(frame("open", { note: "events from now on" })),
          Stream.fromQueue(queue).pipe(
            Stream.mapEffect(textOf(filters)),
            Stream.filter((text) => text !== "")
          )
        )
      })
    }
  }
)
