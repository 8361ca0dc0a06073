/**
 * Operating: runs the command line inside the test's process, with the arguments and the environment that a test gives it, to its
 * end or until the test interrupts it; against a gateway that answers as the test says.
 */
import { ConfigProvider, Console, Effect } from "effect"
import { once } from "node:events"
import { createServer } from "node:http"
import type { ServerResponse } from "node:http"
import { onTestFinished } from "vitest"
import * as Cli from "../../../deploy/cli/Cli.ts"

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

const secret = "only operators know this"

/** A gateway that answers calls in turn, the last answer again and again; what it was asked for. */
export const serving = async (...answers: ReadonlyArray<(response: ServerResponse) => void>) => {
  const asked: Array<string> = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? "")
    const answer = answers[Math.min(asked.length, answers.length) - 1]
    answer?.(response)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`
  return { asked, env: { ECO2_URL: url, INTERNAL_SECRET: secret } }
}

/** A command that goes on: what it has said so far, and its fiber. */
export const following = (env: Readonly<Record<string, string>>, ...words: ReadonlyArray<string>) => {
  const said: { readonly out: Array<string>; readonly err: Array<string> } = { out: [], err: [] }
  const heard: Console.Console = {
    ...globalThis.console,
    log: (...args) => void said.out.push(args.join(" ")),
    error: (...args) => void said.err.push(args.join(" "))
  }
  const fiber = Effect.runFork(
    Cli.run(words).pipe(
      Effect.provideService(Console.Console, heard),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
    )
  )
  return { ...said, fiber }
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
