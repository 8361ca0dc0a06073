/** The session of an operator's browser: a text that only the owner of the secret can make. */
import { describe, expect, it } from "vitest"
import * as OperatorSession from "../../../packages/gateway/src/auth/OperatorSession.ts"

const session = { who: "김 kim", role: "operator", until: 1_000 } as const
const token = OperatorSession.issue(session, "secret")

describe("an operator's session", () => {
  it("a session that was issued is read, until its time is over", () => {
    expect(OperatorSession.read(token, "secret", 999)).toEqual(session)
    expect(OperatorSession.read(token, "secret", 1_000)).toBe(null)
  })

  it.each([
    ["of another secret", OperatorSession.issue(session, "other")],
    [
      "of another role",
      `${Buffer.from(JSON.stringify({ ...session, role: "viewer" })).toString("base64url")}.${token.split(".")[1]}`
    ],
    ["without a signature", token.split(".")[0]!],
    ["with a shorter signature", token.slice(0, -2)],
    ["that is no session", OperatorSession.issue({ ...session, who: "" }, "secret")],
    ["that is empty", ""]
  ])("a token %s is no session", (_, given) => {
    expect(OperatorSession.read(given, "secret", 0)).toBe(null)
  })

  it("without a secret nobody has a session", () => {
    expect(OperatorSession.read(OperatorSession.issue(session, ""), "", 0)).toBe(null)
  })
})
