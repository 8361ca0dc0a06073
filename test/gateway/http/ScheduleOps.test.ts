/** The operators' calls on schedules, and the list of jobs: refused without the secret; facts, and the effects of a call. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import * as HandWorker from "../HandWorker.ts"
import { client } from "../ScanClient.ts"
import * as ScheduleWorker from "../ScheduleWorker.ts"
import { simulatedOnly, start, until } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const secret = "only operators know this"
let redis: RedisServer.RedisServer
let gateway: Serving
let hand: HandWorker.HandWorker
let sweeper: ScheduleWorker.ScheduleWorker

beforeAll(async () => {
  redis = await RedisServer.start()
  const env = { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: redis.url, INTERNAL_SECRET: secret }
  gateway = await start("gateway", env)
  hand = await HandWorker.start(redis.url)
  sweeper = await ScheduleWorker.start(redis.url)
  await until(schedules, (all) => all.length > 0)
})
afterAll(async () => {
  await gateway.stop()
  await sweeper.stop()
  await hand.stop()
  await redis.stop()
})

const ops = async (method: string, path: string, given: string | null = secret) => {
  const headers = given === null ? {} : { "x-internal-secret": given }
  const response = await fetch(`${gateway.address}/api/v1/internal/ops${path}`, { method, headers })
  return { status: response.status, body: JSON.parse(await response.text()) }
}
const schedules = async () => (await ops("GET", "/schedules")).body

describe("the operators' API for schedules", () => {
  it.each([
    ["GET", "/schedules"],
    ["POST", "/schedules/nightly/pause"],
    ["POST", "/schedules/nightly/resume"],
    ["POST", "/schedules/nightly/run"],
    ["GET", "/jobs"]
  ])("%s %s is refused without the secret, and with a wrong one", async (method, path) => {
    for (const given of [null, `${secret}?`])
      expect(await ops(method, path, given)).toMatchObject({ status: 403, body: { code: "FORBIDDEN" } })
    expect(await schedules()).toMatchObject([{ paused: false, last_job_id: null }])
  })

  it("an empty INTERNAL_SECRET lets no caller in", async () => {
    const env = { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: redis.url, INTERNAL_SECRET: "" }
    const open = await start("gateway", env)
    for (const headers of [{}, { "x-internal-secret": "" }]) {
      const response = await fetch(`${open.address}/api/v1/internal/ops/schedules`, { headers })
      expect(response.status).toBe(403)
    }
    await open.stop()
  })

  it("schedules are listed with their timing and their last and next slot", async () => {
    expect(await schedules()).toEqual([
      {
        name: "nightly",
        timing: "cron 0 0 29 2 * Asia/Seoul",
        overlap: "skip",
        work: "sweep",
        paused: false,
        declared: true,
        next: expect.any(Number),
        last_slot: null,
        last_outcome: null,
        last_run: null,
        last_job_id: null,
        fires: 0,
        skips: 0
      }
    ])
  })

  it("a schedule is paused and resumed", async () => {
    expect((await ops("POST", "/schedules/nightly/pause")).body).toEqual({ outcome: "paused" })
    expect(await schedules()).toMatchObject([{ paused: true, next: null }])
    expect((await ops("POST", "/schedules/nightly/resume")).body).toEqual({ outcome: "resumed" })
    expect(await schedules()).toMatchObject([{ paused: false, next: expect.any(Number) }])
    expect(gateway.logs).toContainEqual(
      expect.objectContaining({ msg: "schedule paused by an operator", schedule: "nightly" })
    )
  })

  it("a schedule is run by hand, and refused with 409 while that run is open", async () => {
    const { body, status } = await ops("POST", "/schedules/nightly/run")
    expect(status).toBe(200)
    expect(await ops("POST", "/schedules/nightly/run")).toEqual({
      status: 409,
      body: { code: "SCHEDULE_RUNNING", detail: `the last run of nightly, job ${body.job_id}, is still open` }
    })
    await sweeper.letGo()
    const job = await until(
      async () => (await ops("GET", `/jobs/${body.job_id}`)).body,
      ({ state }) => state === "done"
    )
    expect(job).toMatchObject({ pipeline: "sweep", owner: "", committed: ["clean"] })
    expect(await schedules()).toMatchObject([{ last_job_id: body.job_id, fires: 0 }])
  })

  it("pause, resume and run of an unknown schedule are answered with 404", async () => {
    for (const verb of ["pause", "resume", "run"])
      expect(await ops("POST", `/schedules/weekly/${verb}`)).toMatchObject({
        status: 404,
        body: { code: "NOT_FOUND" }
      })
  })
})

describe("the list of jobs", () => {
  const ids = async (query: string) =>
    (await ops("GET", `/jobs${query}`)).body.jobs.map(({ job_id }: { job_id: string }) => job_id)

  it("jobs are listed, open ones youngest first, and ended ones, by state, pipeline, owner and limit", async () => {
    const ann = client(gateway, "lister ann")
    const bob = client(gateway, "lister bob")
    const first = await ann.accepted()
    const second = await ann.accepted()
    const third = await bob.accepted()
    await hand.begin(second)
    await bob.remove(`/api/v1/scan/${third}`)

    expect(await ids("")).toEqual([second, first])
    expect(await ids("?limit=1")).toEqual([second])
    expect(await ids("?state=running")).toEqual([second])
    expect(await ids("?state=waiting&owner=lister%20ann")).toEqual([first])
    expect(await ids("?owner=lister%20bob")).toEqual([])
    expect(await ids("?state=ended&owner=lister%20bob")).toEqual([third])
    expect(await ids("?state=cancelled")).toEqual([third])
    expect(await ids("?state=done&pipeline=scan")).toEqual([])
    expect(await ids("?state=done&pipeline=sweep")).toHaveLength(1)
    expect((await ops("GET", "/jobs?state=running")).body).toEqual({
      complete: true,
      next: null,
      jobs: [
        {
          job_id: second,
          pipeline: "scan",
          owner: "lister ann",
          state: "running",
          stage: "vision",
          progress: 0,
          run: 1,
          attempts: 1,
          created: expect.any(Number),
          since: expect.any(Number),
          deadline: expect.any(Number),
          cause: null,
          tags: ["model:simulated"]
        }
      ]
    })
  })

  it("a list of jobs in an unknown state is refused", async () => {
    const headers = { "x-internal-secret": secret }
    const response = await fetch(`${gateway.address}/api/v1/internal/ops/jobs?state=lost`, { headers })
    expect(response.status).toBe(400)
  })
})
