/** The meaning of a provider's HTTP status: who caused the failure, and whether the same request may be sent again. */
import { expect, it } from "@effect/vitest"
import * as HttpFailure from "../../../packages/actors/src/model/HttpFailure.ts"

const about = { provider: "openai", model: "gpt-5.2", retryAfterMillis: 7_000, excerpt: "no" }
const rows: ReadonlyArray<readonly [status: number, error: string, hasImage: boolean]> = [
  [400, "ModelRefused", false],
  [401, "ModelUnauthorized", false],
  [402, "ModelUnauthorized", false],
  [403, "ModelUnauthorized", false],
  [404, "ModelUnauthorized", false],
  [408, "ModelTimeout", false],
  [409, "ModelUnavailable", false],
  [413, "ModelRefused", false],
  [413, "ImageUnusable", true],
  [415, "ImageUnusable", true],
  [422, "ModelRefused", false],
  [425, "ModelUnavailable", false],
  [429, "ModelRateLimited", false],
  [500, "ModelUnavailable", false],
  [503, "ModelUnavailable", false],
  [304, "ModelUnavailable", false]
]

it.each(rows)("HTTP %i of a provider is %s, with a picture: %s", (status, error, hasImage) => {
  expect(HttpFailure.fromStatus({ ...about, status, hasImage })._tag).toBe(error)
})
