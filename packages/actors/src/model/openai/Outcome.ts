/** Outcome: what a response of OpenAI's APIs says, whichever of them it is; and the events of a stream of them. */
import { Channel, Effect, Stream } from "effect"
import { Sse } from "effect/encoding"
import type { Effort } from "../ModelTable.ts"
import type { Question } from "../StructuredProvider.ts"
import type { Tokens } from "../Usage.ts"
import type { Form } from "./Form.ts"

export type Outcome =
  /** `incomplete`: why the text may end too early; null if it does not */
  | {
      readonly _tag: "answered"
      readonly text: string
      readonly tokens: Tokens
      readonly requestId: string | undefined
      readonly incomplete: string | null
    }
  | {
      readonly _tag: "refused"
      readonly reason: "refusal" | "filter"
      readonly words: string
      readonly tokens: Tokens
      readonly requestId: string | undefined
    }
  /** a failure inside a response that began well; `error` as ErrorBody reads it */
  | { readonly _tag: "failed"; readonly error: unknown; readonly requestId: string | undefined }
  /** the provider gave the call up, or its stream ended without its end */
  | { readonly _tag: "unfinished"; readonly requestId: string | undefined }
  /** not a response of this API */
  | { readonly _tag: "foreign" }

/** Puts a stream's events together to one outcome. */
export interface Gathering {
  /** True: the stream has ended. */
  readonly event: (data: unknown) => boolean
  readonly outcome: () => Outcome
}

/** One API of the two. */
export interface Dialect {
  /** Below the base URL. */
  readonly path: string
  readonly body: (
    question: Question,
    form: Form,
    settings: { readonly effort: Effort | null; readonly detail: string; readonly maxOutput: number }
  ) => object
  readonly read: (body: unknown) => Outcome
  readonly gather: (hear: (piece: string) => void) => Gathering
}

/** Reads a stream of server-sent events to its end; fails with what its connection fails with. */
export const follow = (
  body: ReadableStream<Uint8Array>,
  { event }: Gathering
): Effect.Effect<void, { cause: unknown }> =>
  Stream.fromReadableStream({ evaluate: () => body, onError: (cause) => ({ cause }) }).pipe(
    Stream.decodeText(),
    Stream.pipeThroughChannel(
      Channel.mapError(Sse.decode<{ cause: unknown }, unknown>({ maxEventSize: 4 * 1024 * 1024 }), (error) =>
        "cause" in error ? { cause: error.cause } : { cause: error }
      )
    ),
    Stream.takeUntil(({ data }) => data.trim() === "[DONE]" || event(parsed(data))),
    Stream.runDrain
  )

/** Null for what is no JSON: a stream that has its end is used without it. */
const parsed = (data: string): unknown => {
  try {
    return JSON.parse(data)
  } catch {
    return null
  }
}
