/** Commands that look again and again, while their gateway restarts. */
import { describe, expect, it } from "@effect/vitest"
import { Console, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { ServerResponse } from "node:http"
import { fail } from "../../../deploy/cli/CommandFailed.ts"
import * as Watching from "../../../deploy/cli/Watching.ts"
import { following, runWith, serving } from "./Operating.ts"

const answer =
  (status: number, body: string, isWhole = true) =>
  (response: ServerResponse) => {
    response.writeHead(status, { "content-type": "application/json" })
    response.write(body)
    if (isWhole) response.end()
    else response.socket?.end()
  }
const whole = JSON.stringify([{ name: "policy", events: 3, kept: 1, fields: 1, last: null, oldest: null }])
const topics = answer(200, whole)
const unavailable = answer(503, JSON.stringify({ detail: "Redis does not answer", code: "UNAVAILABLE" }))
const forbidden = answer(403, JSON.stringify({ detail: "wrong secret", code: "FORBIDDEN" }))

describe("a command that looks again", () => {
  it("a watched list outlasts a gateway that closes connections, cuts an answer off, has no Redis, or is away behind a proxy", async () => {
    const closed = (response: ServerResponse) => void response.destroy()
    const outages = [closed, answer(200, whole.slice(0, 20), false), unavailable, answer(502, "<html>")]
    const { asked, env } = await serving(topics, ...outages, topics)
    const { err, fiber } = following(env, "topics", "--watch", "--json")
    // two looks after them, of which the second has nothing to say
    await expect.poll(() => asked.length, { timeout: 30_000 }).toBe(outages.length + 3)
    expect(err).toEqual([
      expect.stringMatching(/^eco2: no answer from http:\S+; .*; asking again$/),
      "eco2: the gateway answers again"
    ])
    await Effect.runPromise(Fiber.interrupt(fiber))
  })

  it("a command whose first look fails ends with it, watched or not", async () => {
    const { asked, env } = await serving(unavailable)
    for (const words of [["topics", "--watch"], ["topics"], ["jobs", "tail", "00000000-0000-0000-0000-000000000000"]]) {
      expect(await runWith(env)(...words), words.join(" ")).toMatchObject({ code: 5 })
    }
    expect(asked).toHaveLength(3)
  })

  it("a watched list that is refused ends: a refusal is no outage", async () => {
    const { env } = await serving(topics, forbidden)
    expect(await runWith(env)("topics", "--watch", "--json")).toMatchObject({ code: 4 })
  })

  it.effect("every outage of less than a minute is outlasted and told, a longer one is the command's failure", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const heard: Console.Console = { ...globalThis.console, error: (line) => void said.push(String(line)) }
      let isAway = false
      let looks = 0
      const look = Effect.suspend(() => (isAway ? fail("unreachable", "no answer") : Effect.succeed(++looks)))
      const fiber = yield* Effect.forkChild(
        Effect.provideService(
          Effect.forever(Effect.delay(Watching.outlasting(look), "2 seconds")),
          Console.Console,
          heard
        )
      )
      for (let outages = 0; outages < 2; outages++) {
        yield* TestClock.adjust("10 seconds")
        isAway = true
        yield* TestClock.adjust("59 seconds")
        isAway = false
      }
      yield* TestClock.adjust("10 seconds")
      const told = ["eco2: no answer; asking again", "eco2: the gateway answers again"]
      expect(said).toEqual([...told, ...told])
      expect(looks).toBeGreaterThan(10)
      isAway = true
      yield* TestClock.adjust("63 seconds")
      expect(Exit.isFailure(yield* Fiber.await(fiber))).toBe(true)
      expect(said).toEqual([...told, ...told, told[0]])
    })
  )
})
