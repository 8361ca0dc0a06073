import { describe, it } from "@effect/vitest"
import { strictEqual } from "@effect/vitest/utils"
import { fromHeaders } from "../../../packages/core/src/net/RetryAfter.ts"

const now = Date.parse("2026-01-01T00:00:00Z")

const headers: ReadonlyArray<{
  readonly claim: string
  readonly sent: Record<string, string>
  readonly millis: number | null
}> = [
  { claim: "without a header – no time", sent: {}, millis: null },
  { claim: "seconds are taken", sent: { "retry-after": "7" }, millis: 7000 },
  { claim: "fractions of a second are taken", sent: { "retry-after": "0.25" }, millis: 250 },
  {
    claim: "milliseconds are preferred, being finer",
    sent: { "retry-after-ms": "120.4", "retry-after": "1" },
    millis: 120
  },
  {
    claim: "a date counts from the response's own date",
    sent: { "retry-after": "Wed, 31 Dec 2025 10:00:09 GMT", date: "Wed, 31 Dec 2025 10:00:00 GMT" },
    millis: 9000
  },
  {
    claim: "a date counts from now where the response has none",
    sent: { "retry-after": "Thu, 01 Jan 2026 00:00:05 GMT" },
    millis: 5000
  },
  { claim: "a date already past is now", sent: { "retry-after": "Thu, 01 Jan 2015 00:00:05 GMT" }, millis: 0 },
  { claim: "words are no time", sent: { "retry-after": "soon" }, millis: null },
  { claim: "a negative number is no time", sent: { "retry-after": "-5" }, millis: null }
]

describe("RetryAfter", () => {
  for (const { claim, sent, millis } of headers) {
    it(claim, () => {
      const told = fromHeaders(new Headers(sent), now)
      strictEqual(told, millis)
    })
  }
})
