/**
 * The short form of the fault suite: every kind of fault once (several times, and on every topology, in a long run), on two
 * workers, a gateway and a submitter in their own processes. `npm run test:fault` runs many seeds; docs/faults.md has its findings.
 */
import { describe, expect, it } from "vitest"
import { isLong } from "../harness/Long.ts"
import * as Backend from "./Backend.ts"
import * as Plan from "./Plan.ts"
import * as Trial from "./Trial.ts"

const seed = Number(process.env.FAULT_SEED ?? 20_261)

const faults: Readonly<Record<Backend.Topology, string>> = {
  standalone:
    "kills, freezes, cuts, silence, lost answers, restarts, rotated passwords, and everything that Redis may refuse",
  cluster: "kills, freezes, rotated passwords, failovers and moved slots of a Cluster",
  sentinel:
    "kills, freezes, rotated passwords, failovers and partitions of a master, but for what its replicas did not have"
}
/** The others take half a minute each. */
const topologies = isLong ? Backend.topologies : (["standalone"] as const)

describe("the fault suite", () => {
  for (const topology of topologies) {
    it(`J1 J2 J3 J4 J6 J7 A1 A4 A5 all hold through ${faults[topology]} (FAULT_SEED=${seed})`, async () => {
      const said: Array<string> = []
      const report = await Trial.run({
        topology,
        seed,
        jobs: isLong && topology === "standalone" ? 1_500 : 300,
        workers: 2,
        spanMillis: isLong ? 35_000 : 9_000,
        faultEveryMillis: 1_000,
        log: (line) => said.push(line)
      })
      expect([...report.violations, ...report.stories], said.join("\n")).toEqual([])
      expect(Object.keys(report.faults).toSorted()).toEqual(Backend.kindsOf[topology].toSorted())
      expect(Object.values(report.outcomes).reduce((sum, count) => sum + count, 0)).toBe(report.jobs)
    })
  }

  it.each(Backend.topologies)("one seed always gives the same faults, each kind at least once: %s", (topology) => {
    const kinds = Backend.kindsOf[topology]
    const options = { seed: 7, kinds, spanMillis: 5_000, everyMillis: 1_000, workers: 3 }
    expect(Plan.make(options)).toEqual(Plan.make(options))
    expect(Plan.make(options)).not.toEqual(Plan.make({ ...options, seed: 8 }))
    for (const one of [1, 2, 3, 4]) {
      expect(new Set(Plan.make({ ...options, seed: one }).map(({ kind }) => kind))).toEqual(new Set(kinds))
    }
  })
})
