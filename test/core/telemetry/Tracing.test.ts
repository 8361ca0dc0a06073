/** One trace id leads through all stages of a job, whether or not spans are exported. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Tracer } from "effect"
import { Tracing } from "@eco2/core/telemetry"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const parent = Tracer.externalSpan({
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  sampled: true
})
/** What the first stage's handler sees as its span. */
const weighing = (seen: Array<string>): Fleet.Weigh =>
  Effect.fnUntraced(function* () {
    const span = yield* Effect.orDie(Effect.currentParentSpan)
    seen.push(`${span.traceId} ${span.spanId}`)
    return { grams: 1 }
  })
const submitted = Effect.provideService(Fleet.submit(), Tracer.ParentSpan, parent)
const isDone = ({ state }: { readonly state: string }) => state === "done"

describe("a job's trace", () => {
  it.live("a job has its submitter's trace, and every stage's handler runs under that span", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const seen: Array<string> = []
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors({ weigh: weighing(seen) }))
      const id = yield* client.run(submitted)
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), isDone)
      expect(seen).toEqual([`${parent.traceId} ${parent.spanId}`])
    })
  )

  it.live("each stage of a job has a span of its own where spans are exported", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const spans: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = Tracer.nativeTracer.span(options)
          spans.push(`${options.name} ${span.traceId}`)
          return span
        }
      })
      const exporting = Fleet.parcelBehaviors().pipe(Layer.provide(Layer.succeed(Tracer.Tracer, tracer)))
      const worker = yield* Fleet.working(redis.url, exporting)
      const id = yield* client.run(submitted)
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), isDone)
      expect(spans).toEqual(["weigh", "label", "ship"].map((stage) => `parcel.${stage} ${parent.traceId}`))
    })
  )

  it("a job without a submitter's trace gets a new and valid one", () => {
    const texts = new Set(Array.from({ length: 50 }, () => Effect.runSync(Tracing.current)))
    expect(texts.size).toBe(50)
    for (const text of texts) expect(Tracing.format(Tracing.parse(text)!)).toBe(text)
  })

  it("a traceparent that is malformed, all zero, or of another version names no parent", () => {
    const [trace, span] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"]
    const texts = [
      "",
      `00-${trace}`,
      `00-${trace}-${"0".repeat(16)}-01`,
      `00-${"0".repeat(32)}-${span}-01`,
      `01-${trace}-${span}-01`
    ]
    expect(texts.map(Tracing.parse)).toEqual(texts.map(() => undefined))
    expect(Tracing.parse(`00-${trace}-${span}-00`)).toMatchObject({ traceId: trace, spanId: span, sampled: false })
  })
})
