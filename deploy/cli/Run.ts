/** Run: runs the command line as this process; its exit code is that of the command. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import * as Cli from "./Cli.ts"

export const main = (words: ReadonlyArray<string>): void => {
  let exitCode = 1
  Cli.run(words).pipe(
    Effect.map((code) => {
      exitCode = code
    }),
    NodeRuntime.runMain({ teardown: (_, done) => done(exitCode) })
  )
}
