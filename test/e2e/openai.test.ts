/** A scan through separate processes and the OpenAI client library, down to the bytes on the wire, and what the logs say. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Schema } from "effect"
import { randomBytes } from "node:crypto"
import { ScanResult } from "@eco2/actors/protocol"
import { client, dataUrl, field } from "../gateway/ScanClient.ts"
import { imageOf } from "../harness/FakeModelServer.ts"
import * as Photos from "../harness/Photos.ts"
import type { Process } from "../harness/Process.ts"
import * as System from "./System.ts"

let system: System.System
let gateway: Process
let worker: Process

beforeAll(async () => {
  system = await System.start()
  ;[gateway, worker] = await Promise.all([
    system.start("gateway"),
    system.start("scan-worker", { REDRIVE_INTERVAL: "200 millis" })
  ])
})
afterAll(() => system.stop())

const decodeResult = Schema.decodeUnknownSync(ScanResult.ScanResult)
const at = (value: unknown, ...path: ReadonlyArray<string | number>): unknown =>
  path.reduce<unknown>((here, key) => field(here, String(key)), value)

describe("a scan by a hosted model", () => {
  it("a scan by OpenAI is one vision call with the picture's bytes, one answer call, and a result that fits its schema", async () => {
    system.models.reset()
    const picture = Photos.jpegOf(300_000)
    const ann = client(gateway, "ann")
    const id = await ann.accepted({ image_url: dataUrl(picture, "image/jpeg"), user_input: "이거 재활용 되나요?" })
    const { body, status } = await ann.finished(id)
    expect(status).toBe(200)
    const result = decodeResult(body, { onExcessProperty: "error" })
    expect([result.status, result.metadata.llm_provider, result.metadata.simulated]).toEqual([
      "completed",
      "openai",
      false
    ])

    const [vision, answer, ...more] = system.models.calls
    expect(more).toEqual([])
    expect([vision?.kind, answer?.kind]).toEqual(["vision", "answer"])
    expect(JSON.stringify(vision?.body)).toContain('"image_url":"data:image/jpeg;base64,')
    expect(vision === undefined ? null : imageOf(vision)?.equals(picture)).toBe(true)
    for (const call of [vision, answer]) {
      expect(call?.headers.authorization).toBe(`Bearer ${System.apiKey}`)
      expect(at(call?.body, "text", "format")).toMatchObject({ type: "json_schema", strict: true })
      expect(JSON.stringify(call?.body)).toContain("이거 재활용 되나요?")
    }
  })

  it("J2 an answer that does not parse is never used: the model is asked for it once more, and the vision call is not repeated", async () => {
    system.models.reset()
    const nonsense = "물론이죠! 제 생각에는요…"
    system.models.next("answer", { _tag: "Text", text: nonsense })
    const ann = client(gateway, "ann")
    const id = await ann.accepted({ image_url: "https://images.example.com/a.jpg" })
    const stream = await (await fetch(ann.eventsUrl(id), { headers: ann.headers })).text()
    expect(stream).not.toContain(nonsense)
    const { body } = await ann.result(id)
    expect(field(body, "status")).toBe("completed")
    expect(JSON.stringify(body)).not.toContain(nonsense)
    expect(system.models.calls.map(({ kind }) => kind)).toEqual(["vision", "answer", "answer"])
  })
})

describe("trace ids", () => {
  it("a caller's trace id is in the gateway's log line and in every stage's line of the worker", async () => {
    const traceId = randomBytes(16).toString("hex")
    const traceparent = `00-${traceId}-${randomBytes(8).toString("hex")}-01`
    const ann = client(gateway, "ann")
    const id = await ann.accepted({ image_url: "https://images.example.com/a.jpg" }, { traceparent })
    const accepted = await gateway.waitForLog(({ job_id, msg }) => msg === "scan accepted" && job_id === id)
    expect(accepted.trace_id).toBe(traceId)
    await worker.waitForLog(({ job_id, msg }) => msg === "job done" && job_id === id)
    const lines = worker.logs.filter(({ job_id }) => job_id === id)
    expect(lines.map(({ stage, trace_id }) => [stage, trace_id])).toEqual(
      ["vision", "rule", "answer", "reward"].map((stage) => [`scan.${stage}`, traceId])
    )
  })

  it("a scan without a traceparent, or with a wrong one, gets a new trace id", async () => {
    const ann = client(gateway, "ann")
    const ids = []
    for (const headers of [
      {},
      { traceparent: "00-zz-1-01" },
      { traceparent: `00-${"0".repeat(32)}-${"1".repeat(16)}-01` }
    ]) {
      ids.push(await ann.accepted({ image_url: "https://images.example.com/a.jpg" }, headers))
    }
    const traces = []
    for (const id of ids) {
      const { trace_id } = await gateway.waitForLog(({ job_id, msg }) => msg === "scan accepted" && job_id === id)
      const done = await worker.waitForLog(({ job_id, msg }) => msg === "job done" && job_id === id)
      expect(done.trace_id).toBe(trace_id)
      expect(trace_id).toMatch(/^(?!0+$)[0-9a-f]{32}$/)
      traces.push(trace_id)
    }
    expect(new Set(traces).size).toBe(ids.length)
  })
})

describe("logs", () => {
  it("every log line is a JSON object with level, time, role and text, and has no key, picture, question or answer", async () => {
    system.models.reset()
    const ann = client(gateway, "ann")
    const picture = Photos.png([Photos.pngChunk("iCCP", randomBytes(64))])
    const question = `비밀스러운 질문 ${randomBytes(6).toString("hex")}`
    const image_url = dataUrl(picture)
    const done = await ann.accepted({ image_url, user_input: question })
    await ann.finished(done)
    for (const outcome of [
      { _tag: "Unauthorized" },
      { _tag: "Text", text: `${question} ${System.apiKey}` },
      { _tag: "Http", status: 400, body: JSON.stringify({ error: { message: `no ${question} ${System.apiKey}` } }) }
    ] as const) {
      system.models.next("vision", outcome)
    }
    const failed = await ann.accepted({ image_url, user_input: question })
    await ann.finished(failed)
    await ann.submit({ image_url: question, user_input: question })
    await ann.submit(`{"image_url": "${question}`)

    for (const process of [gateway, worker]) {
      expect(process.logs.length).toBeGreaterThan(0)
      expect(process.logs.map((line) => JSON.stringify(line)).length).toBe(process.output().split("\n").length)
      for (const line of process.logs) {
        expect(line).toMatchObject({ level: expect.any(String), time: expect.any(String), role: expect.any(String) })
        expect(typeof line.msg).toBe("string")
      }
      const output = process.output()
      for (const secret of [System.apiKey, question, picture.toString("base64"), "투명 페트병은 따로 모아"]) {
        expect(output).not.toContain(secret)
      }
    }
  })
})
