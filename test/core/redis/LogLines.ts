/** LogLines: records what a process logs, for tests that count a log line. */
import { Effect, Layer, Logger, References } from "effect"
import { until } from "../CoreFixture.ts"

export interface Line {
  readonly level: string
  readonly text: string
  readonly facts: Readonly<Record<string, unknown>>
}

export const make = () => {
  const lines: Array<Line> = []
  const logger = Logger.make(({ fiber, logLevel, message }) => {
    const text = Array.isArray(message) ? message.join(" ") : String(message)
    lines.push({ level: logLevel, text, facts: { ...fiber.getRef(References.CurrentLogAnnotations) } })
  })
  const of = (text: string) => lines.filter((line) => line.text === text)
  return {
    lines,
    of,
    /** Warnings and errors, but for those about this machine: a busy one stalls the event loop of any process. */
    warned: () => lines.filter(({ level, text }) => level !== "Info" && !text.startsWith("the event loop stalled")),
    layer: Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "Info")),
    /** Waits until this line has been logged; ten seconds at most. */
    said: (text: string) =>
      until(
        Effect.sync(() => of(text)),
        (found) => found.length > 0
      )
  }
}
export type LogLines = ReturnType<typeof make>
