/** The text of a cause, whatever was thrown. */
import { describe, expect, it } from "vitest"
import { RedisError } from "@eco2/core/redis"
import { CauseText } from "@eco2/core/telemetry"

describe("CauseText", () => {
  it.each([
    ["an error", new Error("read ECONNRESET"), "read ECONNRESET"],
    ["a text", "gone", "gone"],
    ["nothing", undefined, "undefined"],
    ["an object without a prototype", Object.assign(Object.create(null), { code: 7 }), '{"code":7}'],
    ["an object whose message is no text", { message: 7 }, '{"message":7}'],
    ["a copied error", Object.assign(Object.create(null), { message: "read ECONNRESET" }), "read ECONNRESET"]
  ])("the text of %s is its message, else what it prints as", (_, cause, text) => {
    expect(CauseText.of(cause)).toBe(text)
    expect(new RedisError.RedisUnavailable({ command: "GET", cause }).message).toBe(
      `no answer from Redis to GET: ${text}`
    )
  })
})
