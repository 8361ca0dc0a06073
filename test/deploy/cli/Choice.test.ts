/** What the command line reads: durations as they are printed, and names from the output of another command. */
import { describe, expect, it } from "vitest"
import { Duration, Effect, Option } from "effect"
import { millis, namesIn, queryOf } from "../../../deploy/cli/Choice.ts"
import { age } from "../../../deploy/cli/Output.ts"

describe("durations", () => {
  it("a duration that was printed is read as the same duration", () => {
    for (const length of [1_500, 90_000, 5_400_000, 86_400_000, 93_784_000]) {
      expect(millis(Duration.format(Duration.millis(length))), String(length)).toBe(length)
    }
    expect(millis(age(10_800_000))).toBe(10_800_000)
    expect([millis("90"), millis("90 seconds"), millis("2h")]).toEqual([90_000, 90_000, 7_200_000])
    expect([millis("soon"), millis(""), millis("2x")]).toEqual([undefined, undefined, undefined])
  })
})

describe("filters", () => {
  it("a duration that is longer ago than the epoch means since ever", () => {
    const none = { pipeline: Option.none(), stage: Option.none(), owner: Option.none(), cause: Option.none() }
    const ago = { since: Option.some(2_000), age: Option.some(400) }
    expect(queryOf({ ...none, ...ago }, 1_000)).toEqual({ since: 0, until: 600 })
  })
})

describe("names from standard input", () => {
  it.each([
    ['[{"letter":"a/0/1-0","id":"0/1-0"},{"letter":"b/0/2-0"}]', "letter", ["a/0/1-0", "b/0/2-0"]],
    ['{"jobs":[{"job_id":"x"}],"complete":true,"next":null}', "job_id", ["x"]],
    ['["x","y"]', "job_id", ["x", "y"]],
    ["x\ny z\n", "job_id", ["x", "y", "z"]],
    ["", "job_id", []]
  ])("names are read from a list's JSON and from lines: %s", async (input, field, names) => {
    expect(await Effect.runPromise(namesIn(input, field))).toEqual(names)
  })
  it("JSON without the names that are meant is refused", async () => {
    expect((await Effect.runPromise(Effect.exit(namesIn('[{"id":"x"}]', "letter"))))._tag).toBe("Failure")
    expect((await Effect.runPromise(Effect.exit(namesIn("[nonsense", "letter"))))._tag).toBe("Failure")
  })
})
