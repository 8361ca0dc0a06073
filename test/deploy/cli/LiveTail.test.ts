/** `eco2 jobs tail` of all jobs: lines as events come, a lost connection made again and told, the end by an interruption. */
import { Cause, Effect, Exit, Fiber } from "effect"
import type { ServerResponse } from "node:http"
import { describe, expect, it } from "vitest"
import { following, runWith, serving } from "./Operating.ts"

const frame = (event: string, data: unknown) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
const event = (job_id: string) =>
  frame("event", {
    job_id,
    pipeline: "scan",
    owner: "ann",
    seq: 2,
    ts: 1_795_000_000,
    stage: "vision",
    status: "started",
    progress: 0
  })

const stream = (text: string, isCut: boolean) => (response: ServerResponse) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write(text, () => (isCut ? setTimeout(() => response.destroy(), 50) : undefined))
}

describe("eco2 jobs tail of all jobs", () => {
  it("prints a line an event, says when the connection was lost and made again, and ends when it is interrupted", async () => {
    const { asked, env } = await serving(
      stream(frame("open", {}) + event("first"), true),
      stream(frame("gap", {}) + frame("keepalive", {}) + event("second"), false)
    )
    const { err, fiber, out } = following(env, "jobs", "tail", "--owner", "ann", "--json")
    await expect.poll(() => out.length, { timeout: 30_000 }).toBe(2)
    expect(out.map((line) => JSON.parse(line).job_id)).toEqual(["first", "second"])
    expect(err).toEqual([
      "eco2: the connection is lost; connecting again",
      "eco2: connected again; events may be missing here",
      "eco2: events may be missing here"
    ])
    expect(asked).toEqual(Array.from({ length: 2 }, () => "/api/v1/internal/ops/tail?owner=ann"))
    const exit = await Effect.runPromise(Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber)))
    expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
  })

  it("a line for people has the time, job, pipeline, owner, stage and progress, and no control character", async () => {
    const { env } = await serving(stream(event("\u001b[2Jjob"), false))
    const { fiber, out } = following(env, "jobs", "tail", "--pipeline", "scan")
    await expect.poll(() => out.length, { timeout: 30_000 }).toBe(1)
    expect(out[0]).toMatch(
      /^2026-\d\d-\d\d \d\d:\d\d:\d\d\S+ {2}\\u001b\[2Jjob {2}scan {2}ann {2}vision started {2}0%$/
    )
    await Effect.runPromise(Fiber.interrupt(fiber))
  })

  it("a refusal of the first connection is the command's, and filters belong to no single job", async () => {
    const { env } = await serving((response) => {
      response.writeHead(503, { "content-type": "application/json" })
      response.end(JSON.stringify({ detail: "too many operators watch", code: "TOO_MANY_VIEWERS" }))
    })
    expect(await runWith(env)("jobs", "tail")).toEqual({
      code: 5,
      out: "",
      err: "eco2: too many operators watch (TOO_MANY_VIEWERS)"
    })
    expect(await runWith(env)("jobs", "tail", "00000000", "--owner", "ann")).toMatchObject({ code: 2, out: "" })
  })
})
