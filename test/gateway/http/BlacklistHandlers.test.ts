/** A revocation's body, as the standard libraries of several languages write it. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { parse } from "../../../packages/gateway/src/http/BlacklistHandlers.ts"

const body = { jti: "a", user_id: "ann", expires_at: "2126-01-31T12:00:00Z", reason: "logout" }
const api = fileURLToPath(new URL("../../../packages/gateway/src/http/BlacklistApi.ts", import.meta.url))
const noon = Date.UTC(2126, 0, 31, 12)

it("a time without an offset is UTC, wherever the process runs", () => {
  const script = `
    const { millisOf } = await import(${JSON.stringify(api)})
    const times = ["2126-01-31T12:00", "2126-01-31T12:00:00", "2126-01-31T12:00:00Z", "2126-01-31T21:00:00+09:00"]
    console.log(JSON.stringify([new Date(0).getTimezoneOffset(), ...times.map(millisOf)]))`
  const env = { ...process.env, TZ: "Asia/Seoul" }
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", script], { env, encoding: "utf8" })
  expect(JSON.parse(said)).toEqual([-540, noon, noon, noon, noon])
})

it.effect("a body with several wrong fields is told each of them, in the words of the description", () =>
  Effect.gen(function* () {
    expect(yield* parse(JSON.stringify(body))).toEqual({ jti: "a", user: "ann", expiresAt: noon, reason: "logout" })
    const refusal = yield* Effect.flip(parse(JSON.stringify({ ...body, jti: "", expires_at: "tomorrow", more: 1 })))
    expect(refusal).toMatchObject({ status: 422, code: "VALIDATION_ERROR" })
    expect(refusal.detail).toEqual([
      { loc: ["body", "jti"], msg: "1 to 255 printable ASCII characters", type: "value_error.str" },
      { loc: ["body", "expires_at"], msg: expect.stringContaining("UTC"), type: "value_error.datetime" }
    ])
  })
)
