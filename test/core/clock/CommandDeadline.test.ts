/** Every command has a deadline, and one timer serves them all. */
import { afterEach, beforeEach, describe, expect, it, vi } from "@effect/vitest"
import * as CommandDeadline from "../../../packages/core/src/clock/CommandDeadline.ts"

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => vi.useRealTimers())

describe("CommandDeadline", () => {
  it("the deadline calls back for each command not answered in time, once and in order, and for no other", () => {
    const deadline = CommandDeadline.make(1_000)
    const late: Array<string> = []
    const begin = (name: string) => deadline.begin(() => late.push(name))
    begin("a")
    const answered = begin("b")
    vi.advanceTimersByTime(600)
    begin("c")
    answered()
    answered()
    vi.advanceTimersByTime(399)
    expect(late).toEqual([])
    vi.advanceTimersByTime(2)
    expect(late).toEqual(["a"])
    vi.advanceTimersByTime(598)
    expect(late).toEqual(["a"])
    vi.advanceTimersByTime(10)
    expect(late).toEqual(["a", "c"])
    vi.advanceTimersByTime(10_000)
    expect(late).toEqual(["a", "c"])
  })

  it("any number of command deadlines share one timer, and none runs when all are answered", () => {
    const deadline = CommandDeadline.make(1_000)
    const ends = Array.from({ length: 100 }, () => deadline.begin(() => undefined))
    expect(vi.getTimerCount()).toBe(1)
    for (const end of ends) end()
    expect(vi.getTimerCount()).toBe(0)
    deadline.begin(() => undefined)
    expect(vi.getTimerCount()).toBe(1)
  })
})
