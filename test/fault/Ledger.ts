/**
 * Ledger: the model server of the fault suite, with a ledger of every call, its times and its outcome. It answers slowly,
 * sometimes very slowly, sometimes with transient errors; the seed decides for each call.
 */
import { Schema } from "effect"
import { createServer } from "node:http"
import { between, chance } from "./Chance.ts"
import { fateOf, stubbornFailures, wordsOf } from "./Errand.ts"

const Asked = Schema.fromJsonString(
  Schema.Struct({
    worker: Schema.String,
    stage: Schema.String,
    number: Schema.Int,
    job: Schema.String,
    /** StageJob.begins: higher for a later run. */
    attempt: Schema.Int,
    begunAt: Schema.Int
  })
)

/** answered: 200 · busy, limited, refused: an injected failure · aborted: the caller disconnected first · open: not over. */
export type Outcome = "answered" | "busy" | "limited" | "refused" | "aborted" | "open"

export interface Call extends Schema.Schema.Type<typeof Asked> {
  /** Epoch milliseconds. */
  readonly receivedAt: number
  endedAt: number
  outcome: Outcome
}

export interface Ledger {
  readonly url: string
  readonly calls: ReadonlyArray<Call>
  readonly close: () => Promise<void>
}

const statuses = { answered: 200, busy: 503, limited: 429, refused: 422 } as const

export const start = async (seed: number): Promise<Ledger> => {
  const calls: Array<Call> = []
  const counts = new Map<string, number>()
  const failures = new Map<string, number>()

  const verdict = (call: Call, nth: number): keyof typeof statuses => {
    const fate = fateOf(seed, call.number)
    if (call.stage === "weigh" && fate === "hopeless") return "refused"
    const failed = failures.get(call.job) ?? 0
    if (call.stage === "weigh" && fate === "stubborn" && failed < stubbornFailures) {
      failures.set(call.job, failed + 1)
      return "busy"
    }
    const share = chance(seed, "verdict", call.number, call.stage, nth)
    return share < 0.02 ? "busy" : share < 0.03 ? "limited" : "answered"
  }
  const delayOf = (call: Call, nth: number) => {
    const share = chance(seed, "delay", call.number, call.stage, nth)
    const place = chance(seed, "place", call.number, call.stage, nth)
    return share < 0.04 ? between(place, 800, 2_500) : between(place, 10, 250)
  }

  const server = createServer((request, response) => {
    let text = ""
    request.setEncoding("utf8")
    request.on("data", (piece: string) => (text += piece))
    request.on("end", () => {
      const now = Date.now()
      const call: Call = { ...Schema.decodeUnknownSync(Asked)(text), receivedAt: now, endedAt: now, outcome: "open" }
      calls.push(call)
      const which = `${call.job}/${call.stage}`
      const nth = counts.get(which) ?? 0
      counts.set(which, nth + 1)
      const outcome = verdict(call, nth)
      const timer = setTimeout(
        () => {
          call.outcome = outcome
          call.endedAt = Date.now()
          response.writeHead(statuses[outcome], { "content-type": "application/json" })
          response.end(JSON.stringify({ words: wordsOf(call.stage, call.number) }))
        },
        delayOf(call, nth)
      )
      response.on("close", () => {
        if (call.outcome !== "open") return
        clearTimeout(timer)
        call.outcome = "aborted"
        call.endedAt = Date.now()
      })
    })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  const bound = server.address()
  return {
    url: `http://127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}/`,
    calls,
    close: () => {
      server.closeAllConnections()
      return new Promise<void>((resolve) => void server.close(() => resolve()))
    }
  }
}
