/**
 * Tracing: W3C trace context, carried in the job from submit to every stage, so that all logs and spans of a job have one
 * trace id. Source: https://www.w3.org/TR/trace-context/
 */
import { Context, Effect, Option, References, Tracer } from "effect"
import * as Headers from "effect/http/Headers"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import { randomUUID } from "node:crypto"

/** The span of a traceparent; undefined when it is malformed or all zero. */
export const parse = (traceparent: string): Tracer.ExternalSpan | undefined =>
  Option.getOrUndefined(HttpTraceContext.w3c(Headers.fromRecordUnsafe({ traceparent })))

export const format = (span: {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}): string => `00-${span.traceId.padStart(32, "0")}-${span.spanId.padStart(16, "0")}-${span.sampled ? "01" : "00"}`

/** The traceparent of the caller's span, or a new one, so that every job has a trace id. */
export const current: Effect.Effect<string> = Effect.map(Effect.serviceOption(Tracer.ParentSpan), (span) =>
  Option.match(span, { onNone: makeTrace, onSome: format })
)

/** A new trace; the random bits of a UUID are enough for its ids, and Node generates them in advance. */
const makeTrace = (): string =>
  format({
    traceId: randomUUID().replaceAll("-", ""),
    spanId: randomUUID().replaceAll("-", "").slice(16),
    sampled: true
  })

/** Runs an effect as a span; its parent is `parent`, or else the caller's span. */
export const spanUnder =
  (name: string, parent: Tracer.ExternalSpan | undefined) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.withSpan(effect, name, { captureStackTrace: false, ...(parent === undefined ? {} : { parent }) })

/** Contexts for work of jobs: the services of the effect that made it, with a job's trace and log annotations. */
export interface JobContexts<R> {
  readonly of: (
    parent: Tracer.ExternalSpan | undefined,
    annotations: Readonly<Record<string, unknown>>
  ) => Context.Context<R>
  /** Whether work gets spans. */
  readonly isSpanned: boolean
  /**
   * Work with a span of its own, where spans are exported: the default tracer drops spans, and a span costs more than a small
   * stage.
   */
  readonly spanned: <A, E, S>(
    work: Effect.Effect<A, E, S>,
    parent: Tracer.ExternalSpan | undefined
  ) => Effect.Effect<A, E, S>
}

/** `name`: of the spans. */
export const jobContexts = <R>(name: string) =>
  Effect.gen(function* () {
    const services = yield* Effect.context<R>()
    const notes = yield* References.CurrentLogAnnotations
    const exported = (yield* Effect.tracer) !== Tracer.nativeTracer
    const contexts: JobContexts<R> = {
      isSpanned: exported,
      of: (parent, annotations) => {
        const annotated = Context.add(services, References.CurrentLogAnnotations, { ...notes, ...annotations })
        return parent === undefined ? annotated : Context.add(annotated, Tracer.ParentSpan, parent)
      },
      spanned: <A, E, S>(work: Effect.Effect<A, E, S>, parent: Tracer.ExternalSpan | undefined) =>
        // the span takes the place of the parent span that a context may have
        exported ? (spanUnder(name, parent)(work) as Effect.Effect<A, E, S>) : work
    }
    return contexts
  })
