/**
 * The adapters against an emulator of the providers' APIs that others wrote (@copilotkit/aimock): what our own fake server has
 * misunderstood, it would not show.
 */
import { LLMock } from "@copilotkit/aimock"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe } from "vitest"
import { usualAnswer, usualClassification } from "../../harness/FakeModelServer.ts"
import { answer, classify, modelsFrom, secret } from "./ModelContract.ts"

const emulator = new LLMock({ port: 0, chunkSize: 8 })
beforeAll(async () => {
  emulator.on(
    { userMessage: /리밋/ },
    { error: { message: "Rate limit reached", type: "rate_limit_error" }, status: 429 }
  )
  emulator.on({ userMessage: /돈/ }, { error: { message: "no credit", type: "insufficient_quota" }, status: 429 })
  emulator.on({ userMessage: /"rule"/ }, { content: JSON.stringify(usualAnswer) })
  emulator.on({ userMessage: /user_input/ }, { content: JSON.stringify(usualClassification) })
  await emulator.start()
})
afterAll(() => emulator.stop())

const apis = {
  Responses: () => ({ OPENAI_API: "responses", OPENAI_MODELS: "gpt-5.2", GEMINI_MODELS: "" }),
  "Chat Completions": () => ({ OPENAI_API: "chat", OPENAI_MODELS: "gpt-5.2", GEMINI_MODELS: "" }),
  Gemini: () => ({ GEMINI_MODELS: "gemini-3.8-flash", OPENAI_MODELS: "", GEMINI_BASE_URL: emulator.url })
}

for (const [title, env] of Object.entries(apis)) {
  describe(`an emulator's ${title}`, () => {
    const model = title === "Gemini" ? "gemini-3.8-flash" : "gpt-5.2"
    const models = () =>
      modelsFrom({ OPENAI_API_KEY: secret, GEMINI_API_KEY: secret, OPENAI_BASE_URL: `${emulator.url}/v1`, ...env() })

    it.effect(`a photo is classified over an emulator's ${title}`, () =>
      Effect.gen(function* () {
        const { classification } = yield* classify(model)
        expect(classification.middle_category).toBe(usualClassification.middle_category)
      }).pipe(Effect.provide(models()))
    )

    it.effect(`an answer is the same at once and streamed over an emulator's ${title}`, () =>
      Effect.gen(function* () {
        const texts: Array<string> = []
        const whole = yield* answer(model)
        const streamed = yield* answer(model, undefined, (text) => texts.push(text))
        expect(whole.answer.user_answer).toBe(usualAnswer.user_answer)
        expect(streamed.answer).toEqual(whole.answer)
        expect(texts.at(-1)).toBe(usualAnswer.user_answer)
        expect(texts.length).toBeGreaterThan(3)
      }).pipe(Effect.provide(models()))
    )

    it.effect(`a rate limit and an account without credit are told apart over an emulator's ${title}`, () =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(answer(model, "리밋"))).toMatchObject({ _tag: "ModelRateLimited" })
        // Gemini has no such type
        if (title !== "Gemini") {
          expect(yield* Effect.flip(answer(model, "돈"))).toMatchObject({ _tag: "ModelAccountExhausted" })
        }
      }).pipe(Effect.provide(models()))
    )
  })
}
