/**
 * What a scan's model calls cost, on the wire and in its ledger: every call a row with its bill (B1), none beyond a budget (B2),
 * another model where one cannot serve, and in the end the rule's own steps, which cost nothing.
 */
import { afterEach, describe, expect, it } from "vitest"
import { model, scanFixture } from "./ScanFixture.ts"

const fixture = scanFixture()
const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64"
)

let worker: { readonly stop: () => Promise<void> } | undefined
const work = async (...options: Parameters<typeof fixture.work>) => {
  worker = await fixture.work(...options)
}
afterEach(async () => {
  await worker?.stop()
  worker = undefined
})

const bills = async (id: Parameters<typeof fixture.rowsOf>[0]) =>
  (await fixture.rowsOf(id)).map(({ outcome, service, stage }) => `${stage} ${service} ${outcome}`)
/** The model was shut down. */
const gone = { _tag: "Http", status: 404, body: JSON.stringify({ error: { code: "model_not_found" } }) } as const
const unsaid = { _tag: "Http", status: 429, body: JSON.stringify({ error: { code: "insufficient_quota" } }) } as const

describe("the ledger of a scan", () => {
  it("B1 a scan's two calls are rows with usage, price and the provider's request id", async () => {
    await work()
    const id = await fixture.submit({}, png)
    const { metadata } = await fixture.finished(id)
    const rows = await fixture.rowsOf(id)
    expect(rows).toMatchObject([
      { stage: "vision", service: model, outcome: "ok", attempt: 1, run: 1 },
      { stage: "answer", service: model, outcome: "ok" }
    ])
    const usage = { input: 1_200, cached: 1_000, output: 150, reasoning: 50 }
    for (const { bill, request } of rows) {
      expect(bill).toMatchObject({ usage, cost: 2_625 })
      expect(bill?.requestId).toMatch(/./)
      expect(request).toMatch(/^[0-9a-f]{64}$/)
    }
    expect(metadata).toMatchObject({
      calls_ok: 2,
      calls_uncertain: 0,
      tokens: 2_700,
      cost: 0.00525,
      answer_model: model
    })
  })

  it("B1 an output of no use is billed-bad, with what it has cost, and its repair a row of its own", async () => {
    fixture.models().next("vision", { _tag: "Text", text: "It is a bottle." })
    await work()
    const id = await fixture.submit({}, png)
    await fixture.finished(id)
    expect(await bills(id)).toEqual([`vision ${model} billed-bad`, `vision ${model} ok`, `answer ${model} ok`])
    const [bad] = await fixture.rowsOf(id)
    expect(bad?.bill).toMatchObject({ cost: 2_625, note: "ModelOutputInvalid: It is a bottle." })
  })

  it("B1 a call whose line is cut is uncertain, and a rate limit is free", async () => {
    fixture.models().next("vision", { _tag: "Drop" })
    fixture.models().next("vision", { _tag: "RateLimit", retryAfterSeconds: 1 })
    await work()
    const id = await fixture.submit({}, png)
    await fixture.finished(id)
    expect(await bills(id)).toEqual([`vision ${model} uncertain`, `vision ${model} ok`, `answer ${model} ok`])
    expect((await fixture.jobOf(id)).spent).toMatchObject({ uncertain: 1, free: 1, ok: 2 })
  })

  it("B1 requests whose form the server refuses are free calls of their own, and count within the limit", async () => {
    const no = (message: string) =>
      ({
        _tag: "Http",
        status: 400,
        body: JSON.stringify({ error: { message, type: "invalid_request_error" } })
      }) as const
    fixture.models().next("vision", no("json_schema is not supported"))
    fixture.models().next("vision", no("response_format is not supported"))
    const own = { OPENAI_MODELS: "home-made", OPENAI_API: "chat", MODEL_LIMITS: "home-made=4rpm" }
    await work(own)
    const id = await fixture.submit({ model: "home-made" }, png)
    await fixture.finished(id)
    expect(fixture.models().calls).toHaveLength(4)
    expect((await fixture.jobOf(id)).spent).toMatchObject({ ok: 2, free: 2, uncertain: 0, billedBad: 0 })
    // all four took a place
    const waiting = await fixture.submit({ model: "home-made", userInput: "again" }, png)
    expect((await fixture.until(waiting, ({ state }) => state === "delayed")).state).toBe("delayed")
  })

  it("B1 a server that refuses every form gets one request for each part that can be left out, and the scan is parked", async () => {
    const parts = ["reasoning_effort", "prompt_cache_key", "detail", "stream_options", "max_tokens", "response_format"]
    const message = `unsupported parameter: ${parts.join(", ")}`
    const body = JSON.stringify({ error: { message, type: "invalid_request_error" } })
    fixture.models().always("vision", { _tag: "Http", status: 400, body })
    await work({ OPENAI_MODELS: "home-made" })
    const id = await fixture.submit({ model: "home-made" }, png)
    const { spent } = await fixture.until(id, ({ state }) => state === "parked")
    expect(fixture.models().calls.length).toBeLessThanOrEqual(10)
    expect(spent).toMatchObject({ ok: 0, free: fixture.models().calls.length, uncertain: 0 })
  })

  it("B1 a call that is silent for MODEL_TIMEOUT is uncertain", async () => {
    fixture.models().next("vision", { _tag: "Hang" })
    await work({ MODEL_TIMEOUT: "100 millis" })
    const id = await fixture.submit({}, png)
    await fixture.finished(id)
    expect((await bills(id))[0]).toBe(`vision ${model} uncertain`)
  })
})

describe("what a provider said", () => {
  it("what the provider said and its request id are in the dead letter and with the job, and not in the result", async () => {
    const body = JSON.stringify({ error: { message: "canary: this content is not allowed", code: "content_filter" } })
    fixture.models().next("vision", { _tag: "Http", status: 400, body, headers: { "x-request-id": "req-7" } })
    await work()
    const id = await fixture.submit({}, png)
    const result = await fixture.finished(id)
    expect([result.status, result.error?.code]).toEqual(["failed", "MODEL_REFUSED"])
    expect(JSON.stringify(result)).not.toMatch(/canary|req-7/)
    const said = "it said: canary: this content is not allowed, request req-7"
    expect((await fixture.jobOf(id)).error).toMatchObject({ detail: said })
    const [letter] = await fixture.lettersOf("scan.vision", id)
    expect(letter?.message).toMatch(new RegExp(`; ${said}$`))
  })
})

describe("the budgets of a scan", () => {
  it("B2 a hopeless scan buys MAX_PAID_ATTEMPTS calls and no more, and its result says why it ended", async () => {
    fixture.models().always("vision", { _tag: "Drop" })
    await work({}, { core: { maxPaidAttempts: 3 } })
    const id = await fixture.submit({}, png)
    const { error, status } = await fixture.finished(id)
    expect([status, error?.code]).toEqual(["failed", "CALL_BUDGET_SPENT"])
    expect(fixture.models().calls).toHaveLength(3)
  })

  it("B2 a scan whose calls have cost JOB_BUDGET makes no further call; its answer is the rule's own", async () => {
    await work({}, { core: { jobBudget: { cost: 2_000 } } })
    const { metadata, pipeline_result, status } = await fixture.finished(await fixture.submit({}, png))
    expect([status, metadata["answer_model"]]).toEqual(["completed", "rule"])
    expect(fixture.models().calls).toHaveLength(1)
    expect(pipeline_result?.final_answer?.user_answer).toContain("배출 규정에 있는 단계")
  })

  it("a user's day ends at USER_DAY_BUDGET, another user's scans go on, and DAY_BUDGET ends everybody's", async () => {
    await work({ USER_DAY_BUDGET: "2000 tokens", DAY_BUDGET: "1" })
    await fixture.finished(await fixture.submit({}, png))
    const spent = await fixture.finished(await fixture.submit({}, png))
    expect([spent.status, spent.error?.code]).toEqual(["failed", "USER_BUDGET_SPENT"])
    const other = await fixture.finished(await fixture.submit({}, png, "bob"))
    expect(other.status).toBe("completed")
    await worker?.stop()
    await work({ DAY_BUDGET: "0.001" })
    const id = await fixture.submit({}, png, "eve")
    const parked = await fixture.until(id, ({ state }) => state === "parked")
    expect(parked.state).toBe("parked")
    expect((await fixture.historyOf(id)).at(-1)?.result).toMatchObject({ code: "DayBudgetSpent" })
    await worker?.stop()
    await work()
    expect((await fixture.finished(id)).status).toBe("completed")
  })

  it("a budget in money with a model without a price refuses to start, and names the model", async () => {
    await expect(work({ OPENAI_MODELS: "home-made", DAY_BUDGET: "1" })).rejects.toThrow(/MODEL_PRICES lacks home-made/)
    await work({ OPENAI_MODELS: "home-made", DAY_BUDGET: "1", MODEL_PRICES: "2026-11-30;home-made=1/1/1" })
  })
})

describe("the chain of models", () => {
  const both = {
    OPENAI_MODELS: `${model},gpt-5-mini`,
    SCAN_VISION_TIMEOUT: "5 minutes",
    SCAN_ANSWER_TIMEOUT: "5 minutes"
  }

  it("the next model of the chain serves where the first cannot, and the result says who did", async () => {
    await work({ ...both, SCAN_VISION_MODELS: `gpt-5-mini,${model}`, SCAN_ANSWER_MODELS: `gpt-5-mini,${model}` })
    fixture.models().next("vision", gone)
    const id = await fixture.submit({}, png)
    const { metadata } = await fixture.finished(id)
    expect(fixture.models().calls.map(({ kind, model: asked }) => `${kind} ${asked}`)).toEqual([
      "vision gpt-5-mini",
      `vision ${model}`,
      "answer gpt-5-mini"
    ])
    expect(metadata).toMatchObject({ llm_model: model, answer_model: "gpt-5-mini" })
  })

  it("a model whose second output is outside the taxonomy too gives way to the next of the chain", async () => {
    await work({ ...both, SCAN_VISION_MODELS: `gpt-5-mini,${model}` })
    const text = JSON.stringify({ major_category: "우주쓰레기", situation_tags: [] })
    fixture.models().next("vision", { _tag: "Text", text }, 2)
    const { metadata, status } = await fixture.finished(await fixture.submit({}, png))
    expect([status, metadata["llm_model"]]).toEqual(["completed", model])
    expect(fixture.models().calls.filter(({ kind }) => kind === "vision")).toHaveLength(3)
  })

  it("a model that the user names comes first, and the chain stands behind it", async () => {
    await work({ ...both, SCAN_VISION_MODELS: `${model}` })
    fixture.models().next("vision", gone)
    const id = await fixture.submit({ model: "gpt-5-mini" }, png)
    await fixture.finished(id)
    expect(
      fixture
        .models()
        .calls.slice(0, 2)
        .map((call) => call.model)
    ).toEqual(["gpt-5-mini", model])
  })

  it("a chain that names a model which is not offered refuses to start", async () => {
    await expect(work({ SCAN_ANSWER_MODELS: "gpt-9" })).rejects.toThrow(/SCAN_ANSWER_MODELS names gpt-9/)
  })

  it("the last link costs nothing: an account without credit gives the rule's own steps, says so, and polls nobody", async () => {
    fixture.models().always("answer", unsaid)
    await work()
    const id = await fixture.submit({}, png)
    const { metadata, pipeline_result, status } = await fixture.finished(id)
    expect([status, metadata["answer_model"]]).toEqual(["completed", "rule"])
    const answer = pipeline_result?.final_answer
    expect(Object.values(answer?.disposal_steps ?? {}).length).toBeGreaterThan(2)
    expect(answer?.insufficiencies).toEqual([])
    expect(answer?.user_answer).toContain("배출 규정에 있는 단계")
    expect(fixture.models().calls.filter(({ kind }) => kind === "answer")).toHaveLength(1)
  })

  it("a scan whose answer waits for a model longer than ANSWER_PATIENCE gets the rule's own steps", async () => {
    // retries are due at once here: no count of refusals fills a second
    fixture.models().always("answer", { _tag: "RateLimit", retryAfterSeconds: 1 })
    await work({ ANSWER_PATIENCE: "1 second" })
    const { metadata, status } = await fixture.finished(await fixture.submit({ language: "en" }, png))
    expect([status, metadata["answer_model"]]).toEqual(["completed", "rule"])
  })
})

describe("a reply that is known", () => {
  it("a user's same photo and question is not bought again within MODEL_REUSE; another question or user is", async () => {
    await work({ MODEL_REUSE: "1 hour" })
    const first = await fixture.finished(await fixture.submit({}, png))
    const again = await fixture.submit({}, png)
    const second = await fixture.finished(again)
    expect(fixture.models().calls).toHaveLength(2)
    expect(second.pipeline_result).toEqual(first.pipeline_result)
    expect(second.metadata["answer_model"]).toBe(model)
    expect(await fixture.rowsOf(again)).toEqual([])
    await fixture.finished(await fixture.submit({ userInput: "뚜껑은요?" }, png))
    expect(fixture.models().calls).toHaveLength(4)
    await fixture.finished(await fixture.submit({}, png, "bob"))
    expect(fixture.models().calls).toHaveLength(6)
  })

  it("a reply is used for every user's same request where MODEL_REUSE_SHARED says so", async () => {
    await work({ MODEL_REUSE: "1 hour", MODEL_REUSE_SHARED: "true" })
    await fixture.finished(await fixture.submit({ userInput: "shared" }, png))
    await fixture.finished(await fixture.submit({ userInput: "shared" }, png, "bob"))
    expect(fixture.models().calls).toHaveLength(2)
  })
})
