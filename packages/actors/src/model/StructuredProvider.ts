/**
 * StructuredProvider: builds both ports from one function of an adapter, `ask`, which requests JSON from a hosted model.
 * Prompts, schemas, the deadline and the decoding are the same for all providers.
 */
import { Duration, Effect, Redacted } from "effect"
import type { Schema } from "effect"
import { excerpt } from "./Excerpt.ts"
import { ModelOutputInvalid, ModelTimeout } from "./ModelError.ts"
import type { ModelError } from "./ModelError.ts"
import { answerSchema, decodeAnswer, decodeVision, visionSchema } from "./ModelOutput.ts"
import type { OutputSchema } from "./ModelOutput.ts"
import type { ModelProvider } from "./ModelProvider.ts"
import { answerInstructions, answerMaterial, visionInstructions, visionMaterial } from "./Prompts.ts"
import type { Usage } from "./Usage.ts"
import type { Image } from "./VisionModel.ts"

/** What an adapter sends: `instructions` are ours, `material` contains the user's words. */
export interface Question {
  readonly model: string
  readonly instructions: string
  readonly material: string
  readonly image: Image | null
  readonly schema: OutputSchema
}

/** What it returns: the model's text, not yet decoded. */
export interface Reply {
  readonly text: string
  readonly inputTokens: number
  readonly outputTokens: number
}

export const make = (options: {
  readonly provider: string
  readonly key: Redacted.Redacted
  readonly timeout: Duration.Duration
  /** One HTTP request at most; interruption aborts it. */
  readonly ask: (question: Question) => Effect.Effect<Reply, ModelError>
}): ModelProvider => {
  const { provider } = options
  const askFor = Effect.fnUntraced(function* <A>(
    question: Question,
    decode: (text: string) => Effect.Effect<A, Schema.SchemaError>
  ) {
    const { model } = question
    const reply = yield* options.ask(question).pipe(
      Effect.timeoutOrElse({
        duration: options.timeout,
        orElse: () =>
          Effect.fail(
            new ModelTimeout({
              provider,
              model,
              message: `no answer from ${model} within ${Duration.format(options.timeout)}`
            })
          )
      })
    )
    const value = yield* Effect.mapError(
      decode(reply.text),
      () =>
        new ModelOutputInvalid({
          provider,
          model,
          message: `the output of ${model} is not the JSON that ${question.schema.name} asks for`,
          excerpt: excerpt(reply.text, Redacted.value(options.key))
        })
    )
    const usage: Usage = {
      provider,
      model,
      simulated: false,
      inputTokens: reply.inputTokens,
      outputTokens: reply.outputTokens
    }
    return { value, usage }
  })
  return {
    classify: Effect.fn("VisionModel.classify", { attributes: { provider } })(function* (request) {
      const { model, image } = request
      const { value, usage } = yield* askFor(
        { model, image, instructions: visionInstructions, material: visionMaterial(request), schema: visionSchema },
        decodeVision
      )
      return { ...value, usage }
    }),
    answer: Effect.fn("AnswerModel.answer", { attributes: { provider } })(function* (request) {
      const { model } = request
      const { value, usage } = yield* askFor(
        {
          model,
          image: null,
          instructions: answerInstructions,
          material: answerMaterial(request),
          schema: answerSchema
        },
        decodeAnswer
      )
      return { answer: value, usage }
    })
  }
}
