/** The parts of the failovers of `npm run test:loss`, and one change of masters without and with the gateway's memory. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import * as Failovers from "./Failovers.ts"

const protectionOf = (name: string) => {
  const protection = Failovers.protections.find((one) => one.name === name)
  if (protection === undefined) throw new Error(`no protection is called ${name}`)
  return protection
}
const run = (change: Failovers.Change, name: string) =>
  Failovers.run({ change, protection: protectionOf(name), seed: 1, round: 0, afterMillis: 300, cutMillis: 1_500 })

describe("Failovers.run", () => {
  it.live("a master that was cut off loses what it acknowledged meanwhile", () =>
    Effect.gen(function* () {
      const { again, lost, named } = yield* run("cut off", "none")
      expect(lost).toBeGreaterThan(0)
      expect([again, named]).toEqual([0, 0])
    })
  )

  it.live("J1 jobs that a cut off master acknowledged are there again with SUBMIT_MEMORY", () =>
    Effect.gen(function* () {
      const { again, lost } = yield* run("cut off", "`SUBMIT_MEMORY`")
      expect(lost).toBe(0)
      expect(again).toBeGreaterThan(0)
    })
  )

  it.live("J1 a cut off master acknowledges no job that is lost with SUBMIT_REPLICAS", () =>
    Effect.gen(function* () {
      const { acknowledged, lost, refused } = yield* run("cut off", "`SUBMIT_REPLICAS=1`")
      expect(lost).toBe(0)
      expect(acknowledged).toBeGreaterThan(0)
      expect(refused).toBeGreaterThan(0)
    })
  )
})

describe("the table of failovers", () => {
  const loss = { acknowledged: 1_000, lost: 0, named: 0, again: 0, refused: 5 }

  it("a cell of the table of failovers has the sums of its runs: lost, submitted again, named, refused", () => {
    expect(Failovers.cell([loss, loss])).toBe("0 of 2,000 (10 refused)")
    expect(Failovers.cell([loss, { ...loss, lost: 30, named: 20, again: 7 }])).toBe(
      "30 of 2,000 (7 again, 20 named, 10 refused)"
    )
    expect(Failovers.cell([])).toBe("-")
  })

  it("the table of docs/operations/redis.md has a row for every protection, under the script's own heads", () => {
    const text = readFileSync(new URL("../../docs/operations/redis.md", import.meta.url), "utf8")
    const [head = ""] = Failovers.table([])
    const shown = text.slice(text.indexOf(head)).split("\n\n", 1)[0] ?? ""
    const names = shown.split("\n").flatMap((line) => line.split(" | ")[0]?.replace("| ", "") ?? [])
    expect(names.slice(2)).toEqual(Failovers.protections.map(({ name }) => name))
  })
})
