/** The four stages of a scan, against a real model API: the calls, the stored results, and the effects of failures. */
import { Schema } from "effect"
import { afterEach, describe, expect, it } from "vitest"
import { characters, defaultCharacter } from "../../../packages/actors/src/domain/Character.ts"
import { middleCategories } from "../../../packages/actors/src/domain/Waste.ts"
import { ScanPipeline } from "../../../packages/actors/src/scan/ScanPipeline.ts"
import { usualAnswer, usualClassification } from "../../harness/FakeModelServer.ts"
import { model, scanFixture, told } from "./ScanFixture.ts"

const fixture = scanFixture()
const workers: Array<{ readonly stop: () => Promise<void> }> = []
const work = async (env: Readonly<Record<string, string>> = {}) => {
  const worker = await fixture.work(env)
  workers.push(worker)
}
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()))
})

const png = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex")
const kinds = () => fixture.models().calls.map(({ kind }) => kind)
const scan = async () => fixture.finished(await fixture.submit())

describe("the scan pipeline", () => {
  it("a scan calls the vision model once and the answer model once, and leaves the contract's result", async () => {
    await work()
    const id = await fixture.submit()
    const result = await fixture.finished(id)
    expect(kinds()).toEqual(["vision", "answer"])
    const { situation_tags, ...classification } = usualClassification
    expect(result).toMatchObject({
      task_id: id,
      status: "completed",
      pipeline_result: {
        classification_result: { classification, situation_tags, meta: { user_input: "어디에 버려요?" } },
        disposal_rules: { key: "재활용폐기물_무색페트병" },
        final_answer: {
          disposal_steps: {
            단계1: usualAnswer.disposal_steps[0],
            단계2: usualAnswer.disposal_steps[1],
            단계3: usualAnswer.disposal_steps[2]
          },
          insufficiencies: [],
          user_answer: usualAnswer.user_answer
        }
      },
      reward: { name: "페티", match_reason: "무색페트병>생수병" },
      error: null
    })
  })

  it("a scan's metadata has provider, model, attempts, and milliseconds that add up", async () => {
    fixture.models().setLatency("vision", 30)
    fixture.models().setLatency("answer", 20)
    await work()
    const { metadata } = await scan()
    expect(Object.keys(metadata).toSorted()).toEqual([
      "answer_model",
      "attempts",
      "calls_billed_bad",
      "calls_free",
      "calls_ok",
      "calls_uncertain",
      "cost",
      "created_at",
      "duration_answer_ms",
      "duration_reward_ms",
      "duration_rule_ms",
      "duration_total_ms",
      "duration_vision_ms",
      "llm_model",
      "llm_provider",
      "simulated",
      "tokens",
      "wait_ms"
    ])
    expect(metadata).toMatchObject({ llm_provider: "openai", llm_model: model, simulated: false, attempts: 4 })
    const millis = (name: string) => Number(metadata[name])
    expect(millis("duration_vision_ms")).toBeGreaterThanOrEqual(29)
    expect(millis("duration_answer_ms")).toBeGreaterThanOrEqual(19)
    const stages = ["vision", "rule", "answer", "reward"].map((stage) => millis(`duration_${stage}_ms`))
    const spent = stages.reduce((sum, duration) => sum + duration, millis("wait_ms"))
    expect(Math.abs(millis("duration_total_ms") - spent)).toBeLessThanOrEqual(stages.length * 2)
  })

  it("the vision model gets the picture's bytes and the user's words, the answer model the rule and the words", async () => {
    await work()
    await fixture.finished(await fixture.submit({ userInput: "뚜껑도 같이?" }, png))
    const [vision, answer] = fixture.models().calls.map(({ body }) => JSON.stringify(body))
    expect(vision).toContain(`data:image/png;base64,${png.toString("base64")}`)
    expect(vision).toContain("뚜껑도 같이?")
    expect(answer).toContain("뚜껑도 같이?")
    expect(answer).toContain("무색페트병")
    expect(answer).not.toContain("base64")
  })

  it("a model gets the scan's language, region and words behind everything that is the same for others", async () => {
    await work()
    await fixture.finished(await fixture.submit({ userInput: "The cap too?", language: "en", region: "서울 마포구" }))
    await fixture.finished(await fixture.submit({ language: "en" }))
    const materials = fixture.models().calls.map(({ body }) => {
      const [, text] = /"text":"(\{.*?[^\\]\})"/.exec(JSON.stringify(body)) ?? []
      return JSON.parse(`"${text ?? ""}"`)
    })
    const end = '"language":"en","region":"서울 마포구","user_input":"The cap too?"}'
    expect(materials.map((material) => String(material).endsWith(end))).toEqual([true, true, false, false])
    expect(materials[0]).toBe(`{${end}`)
    expect(materials[3].startsWith(materials[1].slice(0, -end.length))).toBe(true)
    expect(materials[2]).toBe('{"language":"en","user_input":"어디에 버려요?"}')
  })

  it("a scan in English has its rule and its character's words in English, and its keys and names as ever", async () => {
    await work()
    const { message, pipeline_result, reward } = await fixture.finished(await fixture.submit({ language: "en" }))
    expect(message).toBe("The classification is complete.")
    expect(pipeline_result?.classification_result?.classification).toEqual({
      major_category: "재활용폐기물",
      middle_category: "무색페트병",
      minor_category: "생수병"
    })
    expect(pipeline_result?.disposal_rules).toMatchObject({ key: "재활용폐기물_무색페트병", name: "Clear PET bottles" })
    expect(reward).toMatchObject({ name: "페티", type: "PET bottle", match_reason: "Clear PET bottles>water bottle" })
    expect(reward?.dialog).toMatch(/^Without my label/)
  })

  it("a scan of a broken lamp gets the steps for broken ones, and earns nothing", async () => {
    fixture
      .models()
      .setReply("vision", { ...usualClassification, middle_category: "조명제품", situation_tags: ["깨짐"] })
    await work()
    const { pipeline_result, reward, status } = await scan()
    expect([status, pipeline_result?.disposal_rules?.key, reward]).toEqual([
      "completed",
      "불연성종량제폐기물_깨진 조명제품",
      null
    ])
  })

  it("a scan of a gateway that knew no language is in Korean, with no region", () => {
    const { input } = ScanPipeline
    const before = { image: { _tag: "Url", url: "https://images.example.com/a.jpg" }, userInput: "?", model }
    expect(Schema.decodeUnknownSync(input)(before)).toEqual({ ...before, language: "ko", region: null })
  })

  it("a scan in English without a disposal rule apologises in English", async () => {
    fixture.models().setReply("vision", { ...usualClassification, major_category: "미분류", middle_category: null })
    await work()
    const { pipeline_result, status } = await fixture.finished(await fixture.submit({ language: "en" }))
    expect([status, pipeline_result?.final_answer?.insufficiencies]).toEqual([
      "completed",
      ["No disposal rule matches"]
    ])
    expect(pipeline_result?.final_answer?.user_answer).toMatch(/^Sorry/)
  })

  it("a major without middles comes as its own middle, in both languages, and earns nothing by that", async () => {
    fixture
      .models()
      .setReply("vision", { ...usualClassification, major_category: "음식물류폐기물", middle_category: null })
    await work()
    const korean = await fixture.finished(await fixture.submit())
    const major = "음식물류폐기물"
    expect(korean.pipeline_result?.classification_result?.classification).toMatchObject({
      major_category: major,
      middle_category: major
    })
    expect([korean.pipeline_result?.disposal_rules?.key, korean.reward]).toEqual([major, null])
    const english = await fixture.finished(await fixture.submit({ language: "en" }))
    const display = english.pipeline_result?.classification_result?.display
    expect(display?.middle_category).toBe(display?.major_category)
    expect(display?.middle_category).not.toBe("")
  })

  it("a scan without a disposal rule calls no answer model, apologises, and earns nothing", async () => {
    fixture.models().setReply("vision", { ...usualClassification, major_category: "미분류", middle_category: null })
    await work()
    const result = await scan()
    expect(kinds()).toEqual(["vision"])
    expect(result).toMatchObject({
      status: "completed",
      pipeline_result: {
        disposal_rules: null,
        final_answer: { disposal_steps: {}, insufficiencies: ["배출 규정 매칭 실패"] }
      },
      reward: null
    })
    expect(result.pipeline_result?.final_answer?.user_answer).toContain("죄송")
  })

  it("scans run at most SCAN_VISION_CONCURRENCY and SCAN_ANSWER_CONCURRENCY calls at once", async () => {
    fixture.models().setLatency("vision", 20)
    await work({ SCAN_VISION_CONCURRENCY: "2", SCAN_ANSWER_CONCURRENCY: "1" })
    const ids = await Promise.all(Array.from({ length: 5 }, () => fixture.submit()))
    await Promise.all(ids.map((id) => fixture.finished(id)))
    expect(kinds().filter((kind) => kind === "vision")).toHaveLength(5)
    expect(fixture.models().peakInFlight).toBeGreaterThanOrEqual(2)
    expect(fixture.models().peakInFlight).toBeLessThanOrEqual(3)
  })
})

describe("a scan's reward", () => {
  const earned = async (seen: object, answer: object = {}) => {
    fixture.models().setReply("vision", { ...usualClassification, ...seen })
    fixture.models().setReply("answer", { ...usualAnswer, ...answer })
    return (await scan()).reward
  }

  it("a scan's reward is the character of its middle category, for each of the twelve", async () => {
    await work()
    for (const middle of middleCategories) {
      const reward = await earned({ middle_category: middle, minor_category: null })
      const character = characters.find(({ match_label }) => match_label === middle) ?? defaultCharacter
      expect([middle, reward?.name, reward?.match_reason]).toEqual([middle, character.name, middle])
    }
  })

  it("a scan whose major is twice outside the taxonomy fails and says why: an apology would be called completed", async () => {
    const text = JSON.stringify({ ...usualClassification, major_category: "우주폐기물", minor_category: "위성" })
    fixture.models().next("vision", { _tag: "Text", text }, 2)
    await work()
    const { error, pipeline_result, status } = await scan()
    expect([status, error?.code, error?.stage]).toEqual(["failed", "MODEL_OUTPUT_INVALID", "vision"])
    expect(pipeline_result?.classification_result).toBeNull()
    expect(fixture.models().calls).toHaveLength(2)
  })

  it("an English scan's result has its category in English too, and a Korean one's has the taxonomy's words alone", async () => {
    await work()
    const ids = [await fixture.submit({ language: "en" }), await fixture.submit({ language: "ko" })]
    const [english, korean] = [await fixture.finished(ids[0]!), await fixture.finished(ids[1]!)].map(
      ({ pipeline_result }) => pipeline_result?.classification_result
    )
    expect(english).toEqual({
      ...korean,
      display: {
        major_category: "Recyclables",
        middle_category: "Clear PET bottles",
        minor_category: "water bottle",
        situation_tags: expect.any(Array)
      }
    })
    expect(JSON.stringify(english?.display)).not.toMatch(/[가-힣]/)
  })

  for (const [claim, seen, answer] of [
    ["a major other than the recyclables", { major_category: "음식물류폐기물", middle_category: null }, {}],
    ["a recyclable without a middle category", { middle_category: null, minor_category: null }, {}],
    ["an answer that lacks something", {}, { insufficiencies: ["바닥이 보이지 않습니다."] }]
  ] as const) {
    it(`a scan with ${claim} completes and earns nothing`, async () => {
      await work()
      expect(await earned(seen, answer)).toBeNull()
    })
  }
})

describe("a scan's failures", () => {
  const codeOf = async (id: Awaited<ReturnType<typeof fixture.submit>>) => {
    const { error, status } = await fixture.finished(id)
    return { status, ...error }
  }

  it("a scan whose picture is gone fails at once with IMAGE_GONE, and no model is called", async () => {
    const id = await fixture.submit({}, png)
    await fixture.send("DEL", await fixture.keyOfImage(id))
    await work()
    expect(await codeOf(id)).toMatchObject({ status: "failed", code: "IMAGE_GONE", stage: "vision", attempts: 1 })
    expect(kinds()).toEqual([])
  })

  for (const [claim, outcome, code] of [
    ["a refusal", { _tag: "Refusal" }, "MODEL_REFUSED"],
    ["a content filter", { _tag: "Filtered" }, "MODEL_REFUSED"],
    ["a request called wrong", { _tag: "Http", status: 400, body: "{}" }, "MODEL_REFUSED"],
    ["a picture too large for the provider", { _tag: "Http", status: 413, body: "{}" }, "IMAGE_UNUSABLE"]
  ] as const) {
    it(`a scan whose vision call ends with ${claim} fails at once, after that one call`, async () => {
      fixture.models().next("vision", outcome)
      await work()
      const id = await fixture.submit()
      expect(await codeOf(id)).toMatchObject({ status: "failed", code, stage: "vision", attempts: 1 })
      expect(kinds()).toEqual(["vision"])
      expect(told(await fixture.historyOf(id))).toEqual(["queued/started", "vision/started", "failed/failed"])
    })
  }

  it("a scan whose model is rate limited waits as often and long as the provider asks, and spends no attempt", async () => {
    fixture.models().next("answer", { _tag: "RateLimit", retryAfterSeconds: 30 }, 8)
    await work()
    const id = await fixture.submit()
    const { error, metadata, status } = await fixture.finished(id)
    expect([status, error]).toEqual(["completed", null])
    // retried eight times, told to viewers once; the ninth call was answered
    expect(kinds()).toEqual(["vision", ...Array(9).fill("answer")])
    expect(metadata.attempts).toBe(12)
    const history = await fixture.historyOf(id)
    const retries = history.filter((event) => event.status === "retrying")
    expect(told(retries)).toEqual(["answer/ModelRateLimited/1"])
    const wait = Object(retries[0]?.result).next_at - Number(retries[0]?.ts)
    // spread over a fifth, because other jobs wait for the same time
    expect(wait).toBeGreaterThan(29.5)
    expect(wait).toBeLessThan(36.5)
  })

  for (const [claim, outcome, code] of [
    ["an outage", { _tag: "ServerError" }, "ModelUnavailable"],
    ["a dropped connection", { _tag: "DropHalfway" }, "ModelUnavailable"]
  ] as const) {
    it(`J2 a scan whose answer call ends with ${claim} is retried and completes, its vision stage not repeated`, async () => {
      fixture.models().next("answer", outcome)
      await work()
      const id = await fixture.submit()
      expect((await fixture.finished(id)).status).toBe("completed")
      expect(kinds()).toEqual(["vision", "answer", "answer"])
      expect(told(await fixture.historyOf(id))).toContain(`answer/${code}/1`)
    })
  }

  for (const [claim, outcome] of [
    ["is not JSON", { _tag: "Text", text: "지금은 답할 수 없어요" }],
    ["was cut off", { _tag: "CutOff" }]
  ] as const) {
    it(`J2 an output that ${claim} is never used: the model is asked once more within the attempt, then the rule answers`, async () => {
      fixture.models().next("answer", outcome)
      await work()
      const id = await fixture.submit()
      expect((await fixture.finished(id)).status).toBe("completed")
      expect(kinds()).toEqual(["vision", "answer", "answer"])
      expect(told(await fixture.historyOf(id)).filter((event) => event.includes("Model"))).toEqual([])
      fixture.models().next("answer", outcome, 9)
      const { metadata, status } = await fixture.finished(await fixture.submit())
      expect([status, metadata["answer_model"]]).toEqual(["completed", "rule"])
      expect(kinds()).toEqual(["vision", "answer", "answer", "vision", "answer", "answer"])
    })
  }

  it("J1 a scan whose answer model stays away has the rule's own steps after five attempts, and earns its character", async () => {
    fixture.models().always("answer", { _tag: "ServerError" })
    await work()
    const id = await fixture.submit()
    const { metadata, pipeline_result, reward, status } = await fixture.finished(id)
    expect([status, metadata["answer_model"], reward?.name]).toEqual(["completed", "rule", "페티"])
    expect(kinds()).toEqual(["vision", ...Array(5).fill("answer")])
    expect(pipeline_result?.disposal_rules?.key).toBe("재활용폐기물_무색페트병")
  })

  it("J1 a scan whose vision model stays away fails when its paid calls are used up, after two rounds", async () => {
    fixture.models().always("vision", { _tag: "ServerError" })
    await work()
    expect(await codeOf(await fixture.submit())).toMatchObject({ code: "CALL_BUDGET_SPENT", stage: "vision" })
    expect(kinds()).toEqual(Array(6).fill("vision"))
  })

  it("A3 a vision call that is silent for MODEL_TIMEOUT is aborted and retried", async () => {
    fixture.models().next("vision", { _tag: "Hang" })
    await work({ MODEL_TIMEOUT: "100 millis" })
    const id = await fixture.submit()
    expect((await fixture.finished(id)).status).toBe("completed")
    expect((await fixture.models().waitForAbort(1)).kind).toBe("vision")
    expect(told(await fixture.historyOf(id))).toContain("vision/ModelTimeout/1")
  })
})
