/**
 * Repair: asking a model once more, after an output that cannot be used. The model gets its former output and what was wrong
 * with it. This is a second call of the port, with its own limit, count and cost; the caller makes it, once at most.
 */
import { Effect } from "effect"
import type { ModelError } from "./ModelError.ts"

export interface Repair {
  /** What was wrong, in words for the model; at most 500 characters. */
  readonly problem: string
  /** The beginning of the former output; may be empty. */
  readonly output: string
}

/** What to tell the model; null for any other error. */
export const of = (error: ModelError): Repair | null =>
  error._tag === "ModelOutputInvalid"
    ? { problem: error.problem ?? error.message.slice(0, 500), output: error.output ?? "" }
    : null

/** The message that follows the former output. */
export const words = ({ problem }: Repair): string =>
  [
    "위의 출력은 쓸 수 없었습니다.",
    `문제: ${problem}`,
    "같은 물음에 처음부터 다시 답하십시오. 요구된 형식의 JSON 객체 하나만 출력하고, 설명이나 코드 블록은 붙이지 마십시오."
  ].join("\n")

/** Runs a call of a port, and once more with a repair if its output cannot be used. The second failure is the result. */
export const once = <A, R>(
  call: (repair: Repair | undefined) => Effect.Effect<A, ModelError, R>
): Effect.Effect<A, ModelError, R> =>
  Effect.catch(call(undefined), (error) => {
    const repair = of(error)
    return repair === null ? Effect.fail(error) : call(repair)
  })
