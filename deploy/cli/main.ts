/** `eco2`: the operator's command line. Composition root: runs the given words, decides nothing else. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import * as Cli from "./Cli.ts"

let exitCode = 1
Cli.run(process.argv.slice(2)).pipe(
  Effect.map((code) => {
    exitCode = code
  }),
  NodeRuntime.runMain({ teardown: (_, done) => done(exitCode) })
)
