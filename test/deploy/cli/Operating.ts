/** Operating: runs the command line inside the test's process, with the arguments and the environment that a test gives it. */
import { ConfigProvider, Console, Effect } from "effect"
import * as Cli from "../../../deploy/cli/Cli.ts"

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

export const runWith =
  (env: Readonly<Record<string, string>>) =>
  async (...words: ReadonlyArray<string>): Promise<Said> => {
    const out: Array<string> = []
    const err: Array<string> = []
    const heard: Console.Console = {
      ...globalThis.console,
      log: (...args) => void out.push(args.join(" ")),
      error: (...args) => void err.push(args.join(" "))
    }
    const code = await Effect.runPromise(
      Cli.run(words).pipe(
        Effect.provideService(Console.Console, heard),
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
      )
    )
    return { code, out: out.join("\n"), err: err.join("\n") }
  }
