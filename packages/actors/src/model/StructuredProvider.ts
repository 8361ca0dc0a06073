/**
 * StructuredProvider: builds both ports and the probe from one function of an adapter, `ask`, which requests JSON from a hosted model.
 * Prompts, schemas, the deadline, the decoding and the growing text are the same for all providers.
 */
import { Duration, Effect } from "effect"
import { beginning, excerpt } from "./Excerpt.ts"
import { ModelOutputInvalid, ModelTimeout } from "./ModelError.ts"
import type { ModelError } from "./ModelError.ts"
import { answerSchema, decodeAnswer, decodeProbe, decodeVision, probeSchema, visionSchema } from "./ModelOutput.ts"
import type { OutputProblem, OutputSchema } from "./ModelOutput.ts"
import type { ModelProvider } from "./ModelProvider.ts"
import { answerInstructions, answerMaterial, visionInstructions, visionMaterial } from "./Prompts.ts"
import * as Repair from "./Repair.ts"
import type { Tokens, Usage } from "./Usage.ts"
import * as UserAnswer from "./UserAnswer.ts"
import type { Image } from "./VisionModel.ts"

/** In JSON mode some servers want the word JSON in the instructions. */
const probeInstructions = 'Answer with the JSON object {"ok": true} and nothing else.'

/** One message of the conversation; the model's own is its former output. */
export interface Turn {
  readonly by: "user" | "model"
  readonly text: string
}

/** What an adapter sends: `instructions` are ours and the same in every call; the user's words are in the first turn. */
export interface Question {
  readonly model: string
  readonly instructions: string
  /** Begins with the material, to which `image` belongs; a repair adds the former output and our words. */
  readonly turns: readonly [Turn, ...ReadonlyArray<Turn>]
  readonly image: Image | null
  readonly schema: OutputSchema
  /** What the user wrote, in the turns too; errors must not repeat it. */
  readonly userWords: ReadonlyArray<string>
  /** Gets the output piece by piece; null: nobody follows, so nothing need be streamed. */
  readonly hear: ((piece: string) => void) | null
}

/** What it returns: the model's text, not yet decoded. `incomplete`: why the text may end too early, null if it does not. */
export interface Reply {
  readonly text: string
  readonly tokens: Tokens
  readonly requestId: string | undefined
  readonly incomplete: string | null
}

const wordsOf = ({
  region,
  userInput
}: {
  readonly region?: string | null | undefined
  readonly userInput: string
}) => [userInput, region ?? ""]

export const make = (options: {
  readonly provider: string
  /** Empty if there is none. */
  readonly key: string
  readonly timeout: Duration.Duration
  /** One HTTP request that the provider works on, at most; interruption aborts it. */
  readonly ask: (question: Question) => Effect.Effect<Reply, ModelError>
}): ModelProvider => {
  const { key, provider } = options
  const askFor = Effect.fnUntraced(function* <A>(
    question: Question,
    decode: (text: string) => Effect.Effect<A, OutputProblem>
  ) {
    const { model } = question
    const { incomplete, requestId, text, tokens } = yield* options.ask(question).pipe(
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
    const said = requestId === undefined ? {} : { requestId: excerpt(requestId, key) }
    // an output that is whole is used, whatever the provider says of its end
    const value = yield* Effect.mapError(
      decode(text),
      ({ problem }) =>
        new ModelOutputInvalid({
          provider,
          model,
          message:
            incomplete === null
              ? `the output of ${model} is not the JSON that ${question.schema.name} asks for`
              : `the output of ${model} was cut off (${incomplete})`,
          excerpt: excerpt(text, key, question.userWords),
          problem: beginning(incomplete === null ? problem : `the output was cut off (${incomplete})`, key, 500),
          output: beginning(text, key, 4_000),
          usage: tokens,
          ...said
        })
    )
    const usage: Usage = { provider, model, simulated: false, ...tokens, ...said }
    return { value, usage }
  })
  return {
    classify: Effect.fn("VisionModel.classify", { attributes: { provider } })(function* (request) {
      const { model, image, repair } = request
      const { value, usage } = yield* askFor(
        {
          model,
          image,
          instructions: visionInstructions,
          turns: turnsOf(visionMaterial(request), repair),
          schema: visionSchema,
          userWords: wordsOf(request),
          hear: null
        },
        (text) => decodeVision(text, repair !== undefined)
      )
      return { ...value, usage }
    }),
    answer: Effect.fn("AnswerModel.answer", { attributes: { provider } })(function* (request) {
      const { model, onText, repair } = request
      const reader = onText === undefined ? null : UserAnswer.follow(onText)
      const { value, usage } = yield* askFor(
        {
          model,
          image: null,
          instructions: answerInstructions,
          turns: turnsOf(answerMaterial(request), repair),
          schema: answerSchema,
          userWords: wordsOf(request),
          hear: reader === null ? null : reader.hear
        },
        decodeAnswer
      ).pipe(Effect.onExit(() => Effect.sync(() => reader?.end())))
      return { answer: value, usage }
    }),
    probe: (model) =>
      Effect.map(
        askFor(
          {
            model,
            image: null,
            instructions: probeInstructions,
            turns: [{ by: "user", text: "ok?" }],
            schema: probeSchema,
            userWords: [],
            hear: null
          },
          decodeProbe
        ),
        ({ usage }) => usage
      )
  }
}

const turnsOf = (material: string, repair: Repair.Repair | undefined): Question["turns"] => [
  { by: "user", text: material },
  ...(repair === undefined || repair.output === "" ? [] : [{ by: "model" as const, text: repair.output }]),
  ...(repair === undefined ? [] : [{ by: "user" as const, text: Repair.words(repair) }])
]
