/**
 * StageValues: decodes the values a stage reads from the job, and encodes its output for the commit. Both are checked by the
 * stage's schemas, and the output is bounded. Synchronous, without an Effect for each value (Stage.Codec).
 */
import { Cause, Exit, Schema } from "effect"
import { bytesOf } from "../mailbox/Mailbox.ts"
import type { Message } from "../mailbox/Mailbox.ts"
import * as PayloadLimit from "../redis/PayloadLimit.ts"
import type { Job } from "../job/Job.ts"
import type { Needs, Stage, Values } from "./Stage.ts"
import { CheckpointUnreadable, OutputRejected } from "./StageError.ts"

export interface StageValues<N extends Needs, A> {
  readonly read: (job: Job) => Exit.Exit<Values<N>, CheckpointUnreadable>
  /** The output as it is stored; `tells` count against the same bound. */
  readonly write: (output: A, tells: ReadonlyArray<Message>) => Exit.Exit<string, OutputRejected>
}

const parseJson = (text: string): unknown => JSON.parse(text)

export const of = <N extends Needs, A>(stage: Stage<string, N, A>): StageValues<N, A> => {
  const needs = Object.entries(stage.needs).map(([name, codec]) => ({
    name,
    decode: Schema.decodeUnknownExit(Schema.toCodecJson(codec))
  }))
  const encodeOutput = Schema.encodeUnknownExit(Schema.toCodecJson(stage.output))
  const unreadable = (reason: string) => Exit.fail(new CheckpointUnreadable({ stage: stage.name, reason }))
  const rejected = (reason: string) => Exit.fail(new OutputRejected({ stage: stage.name, reason }))

  return {
    read: (job) => {
      const values: Record<string, unknown> = {}
      for (const { decode, name } of needs) {
        const text = job.outputs.get(name)
        let json: unknown
        try {
          json = name === "input" ? job.input : text === undefined ? undefined : parseJson(text)
        } catch {
          return unreadable(`the checkpoint of ${name} is not JSON`)
        }
        const value = decode(json)
        if (Exit.isFailure(value)) return unreadable(`${name}: ${String(Cause.squash(value.cause))}`)
        values[name] = value.value
      }
      return Exit.succeed(values as Values<N>)
    },
    write: (output, tells) => {
      const told = tells.length === 0 ? 0 : tells.reduce((sum, tell) => sum + bytesOf(tell), 0)
      if (told > PayloadLimit.mostBytes) {
        return rejected(`comes with messages of ${told} bytes, allowed are ${PayloadLimit.mostBytes}`)
      }
      const json = encodeOutput(output)
      if (Exit.isFailure(json)) return rejected(String(Cause.squash(json.cause)))
      const text = JSON.stringify(json.value)
      const bytes = Buffer.byteLength(text)
      return bytes <= PayloadLimit.mostBytes
        ? Exit.succeed(text)
        : rejected(`has ${bytes} bytes, allowed are ${PayloadLimit.mostBytes}`)
    }
  }
}
