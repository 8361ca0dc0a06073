/** Log lines, as a process writes them. */
import { describe, expect, it } from "vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const root = fileURLToPath(new URL("../../../", import.meta.url))

const logged = async (facts: Readonly<Record<string, string>>): Promise<string> => {
  const program = `
    import { Logging } from "@eco2/core/service"
    import { Effect } from "effect"
    const line = Effect.annotateLogs(Effect.logInfo("said"), ${JSON.stringify(facts)})
    await Effect.runPromise(Effect.provide(line, Logging.layer("test")))`
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { cwd: root })
  return stdout
}

describe("a log line", () => {
  it("a log line has no control character of what it tells, and programs read the text as it was", async () => {
    const error = "\u001b[2J\u009b31m\u202e\r\nnext\u007f 이코"
    const stdout = await logged({ error })
    expect(stdout.trimEnd().match(/[\p{Cc}\u202a-\u202e]/gu)).toBe(null)
    expect(JSON.parse(stdout)).toMatchObject({ msg: "said", role: "test", error })
  })
})
