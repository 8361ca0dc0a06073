import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { describe, it } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { FakeModelServer, usualAnswer } from "../../harness/FakeModelServer.ts"

const ask = async (url: string, schema: object) => {
  const body = {
    model: "m",
    input: [{ role: "user", content: [{ type: "input_text", text: "?" }] }],
    text: { format: { schema } }
  }
  const response = await fetch(`${url}/v1/responses`, { method: "POST", body: JSON.stringify(body) })
  const text: string = JSON.parse(await response.text()).output[1].content[0].text
  return JSON.parse(text)
}

const anything = {
  type: "object",
  properties: { user_answer: { type: "string" }, insufficiencies: { type: "array", items: { type: "string" } } }
}

describe("FakeModelServer", () => {
  it("the fake model server fits its reply to the schema a call asks for", async () => {
    const server = await FakeModelServer.start()
    const properties = {
      user_answer: { type: "string", enum: ["one", "two"] },
      more: { anyOf: [{ type: "string" }, { type: "null" }] },
      count: { type: "integer" }
    }
    deepStrictEqual(await ask(server.url, { type: "object", properties }), { user_answer: "one", more: null, count: 0 })
    await server.close()
  })

  it("the fake model server runs as a process that prints its address, counts its calls, and ends when asked to", async () => {
    const file = fileURLToPath(new URL("../../harness/FakeModelServer.ts", import.meta.url))
    const child = spawn(process.execPath, [file], {
      env: { ...process.env, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"]
    })
    const [line]: Array<unknown> = await once(createInterface(child.stdout), "line")
    const url = /^fake model server ready on (http:\S+)$/.exec(String(line))?.[1] ?? ""
    deepStrictEqual(await ask(url, anything), { user_answer: usualAnswer.user_answer, insufficiencies: [] })
    deepStrictEqual(await (await fetch(`${url}/ledger`)).json(), { calls: 1, in_flight: 0, peak_in_flight: 1 })
    child.kill("SIGTERM")
    const [code]: Array<unknown> = await once(child, "exit")
    strictEqual(code, 0)
  })
})
