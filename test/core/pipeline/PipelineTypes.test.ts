/** Typed in, typed out: what does not fit does not compile. The claims are checked by the compiler; running them shows the rest. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Pipeline, Stage, StageBehavior } from "@eco2/core"
import * as Fleet from "../CoreFixture.ts"

const start = Pipeline.make("parcel", { input: Fleet.Parcel })
const wantsText = Stage.make("wrong", {
  needs: { weigh: Schema.Struct({ grams: Schema.String }) },
  output: Schema.String,
  progress: 50
})

describe("Pipeline's types", () => {
  it("a pipeline whose stages do not fit each other does not compile", () => {
    // @ts-expect-error label reads what weigh leaves, and weigh is not there yet
    expect(() => start.add(Fleet.label)).toThrow('what stage "label" reads is "weigh"')
    // @ts-expect-error the order counts
    expect(() => start.add(Fleet.ship).add(Fleet.weigh)).toThrow('what stage "ship" reads is "label"')
    // @ts-expect-error weigh leaves a number where text is read
    start.add(Fleet.weigh).add(wantsText)
    const other = Pipeline.make("parcel", { input: Schema.Struct({ height: Schema.Finite }) })
    // @ts-expect-error weigh reads another input
    other.add(Fleet.weigh)
    const paint = Effect.succeed(() => Effect.succeed(1))
    // @ts-expect-error no stage has this name
    expect(() => StageBehavior.layer(Fleet.ParcelPipeline, "paint", paint)).toThrow(
      'handler of pipeline "parcel": its stage is "paint"; allowed is one of weigh, label, ship'
    )
  })

  it("a stage added twice, or with a name that has another meaning, does not compile", () => {
    const once = start.add(Fleet.weigh)
    // @ts-expect-error weigh is there already
    expect(() => once.add(Fleet.weigh)).toThrow('a stage added is "weigh"')
    const another = Stage.make("weigh", { needs: { input: Fleet.Parcel }, output: Schema.String, progress: 50 })
    // @ts-expect-error another stage of this name is there already
    expect(() => once.add(another)).toThrow('a stage added is "weigh"')
    const rest = { needs: { input: Fleet.Parcel }, output: Schema.String, progress: 50 }
    // @ts-expect-error done is the end of a job
    expect(() => Stage.make("done", rest)).toThrow('stage "done": its name is "done"')
    // @ts-expect-error input is what a job is submitted with
    expect(() => Stage.make("input", rest)).toThrow('stage "input": its name is "input"')
  })

  it("handlers and submits that do not fit their pipeline do not compile", () => {
    const pounds = Effect.succeed(() => Effect.succeed({ pounds: 1 }))
    const wantsInput = Effect.succeed((values: { input: string }) => Effect.succeed({ tracking: values.input }))
    const free = { owner: null, key: null }
    const wrong = () => [
      // @ts-expect-error weigh leaves grams
      StageBehavior.layer(Fleet.ParcelPipeline, "weigh", pounds),
      // @ts-expect-error ship does not read the input
      StageBehavior.layer(Fleet.ParcelPipeline, "ship", wantsInput),
      // @ts-expect-error a parcel's weight is a number
      Pipeline.submit(Fleet.ParcelPipeline, { weight: "two" }, free)
    ]
    expect(wrong).toBeTypeOf("function")
  })

  it("a pipeline's plan names each stage's mailbox, its progress and whether it reads the image, in order", () => {
    expect(Fleet.ParcelPipeline.plan).toEqual([
      { name: "weigh", mailbox: "parcel.weigh", progress: 30, image: true },
      { name: "label", mailbox: "parcel.label", progress: 60, image: false },
      { name: "ship", mailbox: "parcel.ship", progress: 100, image: false }
    ])
    expect(start.plan).toEqual([])
  })
})
