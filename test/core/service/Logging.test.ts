/** Log lines, as a process writes them. */
import { describe, expect, it } from "vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const root = fileURLToPath(new URL("../../../", import.meta.url))

const logged = async (
  facts: Readonly<Record<string, unknown>>,
  said: ReadonlyArray<unknown> = ["said"]
): Promise<string> => {
  const program = `
    import { Logging } from "@eco2/core/service"
    import { Effect } from "effect"
    const line = Effect.annotateLogs(Effect.logInfo(...${JSON.stringify(said)}), ${JSON.stringify(facts)})
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

  it("a log line tells no secret, whether it is a fact of its own or stands within one, to a depth of three", async () => {
    const none = "[redacted]"
    expect(JSON.parse(await logged({ token: "t", user_input: "u", stage: "s" }))).toMatchObject({
      token: none,
      user_input: none,
      stage: "s"
    })
    const call = { api_key: "k", headers: { authorization: "a", accept: "json" }, status: 200 }
    expect(JSON.parse(await logged({ password: "p", call, list: [{ cookie: "c" }] }))).toMatchObject({
      password: none,
      call: { api_key: none, headers: { authorization: none, accept: "json" }, status: 200 },
      list: [{ cookie: none }],
      msg: "said",
      role: "test"
    })
  })

  it("a log line tells no secret of an object that is said instead of a text", async () => {
    const said = [{ a: { b: { c: { token: "t", stage: "s" } } } }, "and", { cookie: ["c"] }]
    expect(JSON.parse(await logged({}, said))).toMatchObject({
      msg: '{"a":{"b":{"c":{"token":"[redacted]","stage":"s"}}}}',
      detail: 'and {"cookie":"[redacted]"}'
    })
  })
})
