/** The response to a submit that core refused: the right status, and when to retry. */
import { expect, it } from "vitest"
import { JobStore, Limit, Mailbox } from "@eco2/core/client"
import { Refusal } from "@eco2/core/http"
import { Duration } from "effect"
import { HttpServerResponse } from "effect/http"
import * as SubmitRefusal from "../../../packages/gateway/src/http/SubmitRefusal.ts"

const seconds = Duration.seconds(7)
const rows = [
  [new JobStore.InputTooLarge({ part: "owner", bytes: 1025, most: 1024 }), 413, "INPUT_TOO_LARGE", null],
  [new JobStore.IdempotencyConflict({ jobId: "j" }), 409, "IDEMPOTENCY_KEY_REUSED", null],
  [new JobStore.LaneFull({ owner: "ann", depth: 9 }), 429, "LANE_FULL", "10"],
  [new JobStore.UploadGone({ upload: "u" }), 503, "UNAVAILABLE", "2"],
  [new JobStore.NotReplicated({ wanted: 2, confirmed: 1 }), 503, "NOT_REPLICATED", "2"],
  [new Mailbox.MailboxFull({ mailbox: "scan.vision", depth: 9 }), 503, "MAILBOX_FULL", "5"],
  [new Limit.RateLimited({ limit: "USER_RATE", retryAfter: seconds }), 429, "RATE_LIMITED", "7"]
] as const

it.each(rows)("the refusal %s is answered with %i %s and Retry-After %s", async (error, status, code, retryAfter) => {
  const response = HttpServerResponse.toWeb(Refusal.toResponse(SubmitRefusal.of(error)))
  const body = (await response.json()) as { readonly detail: string; readonly code: string }
  expect([response.status, body.code, response.headers.get("retry-after")]).toEqual([status, code, retryAfter])
  // says what is too large, and the limit
  if (status === 413) expect(body.detail).toBe("the owner has 1025 bytes, allowed are 1024")
})
