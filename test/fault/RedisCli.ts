/** RedisCli: the stock command line of Redis or Valkey, which operators use to reshard a Cluster. */
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { find } from "../../deploy/local/SystemProgram.ts"

const run = promisify(execFile)

/** It comes with the server's package. */
const program = () => find({ names: ["redis-cli", "valkey-cli"] }) ?? "redis-cli"

/** Runs to its end; returns what it printed. Rejects, with what it printed, when its exit code is not 0. */
export const redisCli = async (...words: ReadonlyArray<string>): Promise<string> => {
  try {
    return (await run(program(), words, { timeout: 120_000 })).stdout
  } catch (error) {
    const told = error instanceof Error && "stdout" in error ? String(error.stdout).slice(-2_000) : ""
    throw new Error(`redis-cli ${words.join(" ")} failed: ${told}`, { cause: error })
  }
}
