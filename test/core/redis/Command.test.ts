/** A command sent without an effect: its caller is answered once, whatever comes of it and however late. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import * as CommandDeadline from "../../../packages/core/src/clock/CommandDeadline.ts"
import * as Command from "../../../packages/core/src/redis/Command.ts"
import type { RedisError } from "../../../packages/core/src/redis/RedisError.ts"
import { until } from "../Until.ts"

/** Sends a command whose answer the test gives. */
const sent = (deadline: Parameters<typeof Command.call>[3]) => {
  const { promise, reject, resolve } = Promise.withResolvers<string>()
  const answers: Array<Exit.Exit<string, RedisError>> = []
  Command.call(
    "GET",
    () => promise,
    (exit) => answers.push(exit),
    deadline
  )
  /** Returns when whatever waits for the answer has had its turn. */
  const settled = Effect.promise(() =>
    promise
      .then(
        () => undefined,
        () => undefined
      )
      .then(() => undefined)
  )
  return { answers, reject, resolve, settled }
}
const soon = () => ({ millis: 20, ...CommandDeadline.make(20) })
const isLate = (exit: Exit.Exit<string, RedisError> | undefined) =>
  exit !== undefined && Exit.isFailure(exit) && String(Cause.squash(exit.cause)).includes("no answer within")

describe("a command sent without an effect", () => {
  it.live.each(["resolve", "reject"] as const)(
    "a caller whose command is answered after its deadline is told once, that it is late (%s)",
    (how) =>
      Effect.gen(function* () {
        const command = sent(soon())
        yield* until(
          Effect.sync(() => command.answers.length),
          (count) => count > 0
        )
        if (how === "resolve") command.resolve("too late")
        else command.reject(new Error("too late"))
        yield* command.settled
        expect(command.answers.map(isLate)).toEqual([true])
      })
  )

  it.live("a caller whose command is answered in time hears nothing of its deadline", () =>
    Effect.gen(function* () {
      const deadline = soon()
      const command = sent(deadline)
      command.resolve("in time")
      yield* command.settled
      // another that was sent later is late: the first one's time is over too
      const later = sent(deadline)
      yield* until(
        Effect.sync(() => later.answers.length),
        (count) => count > 0
      )
      expect(command.answers).toEqual([Exit.succeed("in time")])
      expect(later.answers.map(isLate)).toEqual([true])
    })
  )

  it.live("a command that is answered holds its deadline no longer, and its process no timer", () =>
    Effect.gen(function* () {
      let held = 0
      const deadline = {
        millis: 1,
        begin: () => {
          held++
          return () => void held--
        }
      }
      const [one, other] = [sent(deadline), sent(deadline)]
      expect(held).toBe(2)
      one.resolve("answered")
      other.reject(new Error("refused"))
      yield* Effect.all([one.settled, other.settled])
      expect(held).toBe(0)
    })
  )

  it("a caller whose command cannot be sent, by a bug, is told of the defect", () => {
    const answers: Array<Exit.Exit<string, RedisError>> = []
    const bug = new Error("a bug in the driver")
    const send = (): Promise<string> => {
      throw bug
    }
    Command.call("GET", send, (exit) => answers.push(exit))
    expect(answers).toEqual([Exit.die(bug)])
  })

  it("a caller whose answer is decoded by code with a bug is told of the defect", () => {
    const bug = new Error("a bug in a schema")
    const decode = (): Exit.Exit<string, RedisError> => {
      throw bug
    }
    expect(Command.decoded(decode)).toEqual(Exit.die(bug))
  })
})
