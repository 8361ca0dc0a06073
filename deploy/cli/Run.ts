/** Run: runs the command line as this process; its exit code is that of the command, or that of an interruption. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cli from "./Cli.ts"
import { exitCodes } from "./CommandFailed.ts"

export const main = (words: ReadonlyArray<string>): void => {
  let exitCode: number = exitCodes.failed
  Cli.run(words).pipe(
    Effect.map((code) => {
      exitCode = code
    }),
    NodeRuntime.runMain({
      teardown: (exit, done) =>
        done(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? exitCodes.interrupted : exitCode)
    })
  )
}
