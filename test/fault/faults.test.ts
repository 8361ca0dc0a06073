/**
 * The short form of the fault suite: every kind of fault once (several times in a long run), on two workers, a gateway and a
 * submitter in their own processes. `npm run test:fault` runs many seeds; docs/faults.md has its findings.
 */
import { describe, expect, it } from "vitest"
import { isLong } from "../harness/Long.ts"
import * as Plan from "./Plan.ts"
import * as Trial from "./Trial.ts"

const jobs = isLong ? 1_500 : 300
const seed = Number(process.env.FAULT_SEED ?? 20_261)

describe("the fault suite", () => {
  it(`J1 J2 J3 J4 J6 J7 A1 A4 A5 all hold through kills, freezes, cuts, silence, lost answers, restarts and a full Redis (FAULT_SEED=${seed})`, async () => {
    const said: Array<string> = []
    const report = await Trial.run({
      seed,
      jobs,
      workers: 2,
      spanMillis: isLong ? 35_000 : 7_000,
      faultEveryMillis: 1_000,
      log: (line) => said.push(line)
    })
    expect([...report.violations, ...report.stories], said.join("\n")).toEqual([])
    expect(Object.keys(report.faults).toSorted()).toEqual(Plan.kinds.toSorted())
    expect(Object.values(report.outcomes).reduce((sum, count) => sum + count, 0)).toBe(jobs)
  })

  it("one seed always gives the same faults, and each kind of fault comes at least once", () => {
    const options = { seed: 7, spanMillis: 5_000, everyMillis: 1_000, workers: 3 }
    expect(Plan.make(options)).toEqual(Plan.make(options))
    expect(Plan.make(options)).not.toEqual(Plan.make({ ...options, seed: 8 }))
    for (const one of [1, 2, 3, 4]) {
      expect(new Set(Plan.make({ ...options, seed: one }).map(({ kind }) => kind))).toEqual(new Set(Plan.kinds))
    }
  })
})
