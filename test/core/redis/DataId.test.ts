/** The id of a Redis's data tells when the data began. */
import { describe, expect, it } from "vitest"
import { DataId } from "@eco2/core/redis"

describe("DataId", () => {
  it("an id of data tells the millisecond at which the data began, and no two are alike", () => {
    const at = Date.UTC(2026, 10, 30, 12, 34, 56, 789)
    expect(DataId.began(DataId.make(at))).toBe(at)
    expect(new Set(Array.from({ length: 100 }, () => DataId.make(at))).size).toBe(100)
    expect(DataId.make(at)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it("an id of an earlier version, or any other text, tells no time", () => {
    for (const id of ["5f0c9c43-23e2-4b52-9c0e-6a3a1a5b2f10", "", "of another process"])
      expect(DataId.began(id)).toBe(null)
  })
})
