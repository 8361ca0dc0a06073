/**
 * OpenAPI says what is: every call that is described is asked with values, queries, headers and bodies that no client should
 * send, and each answer is one of those described. A caller without the secret learns nothing about an operators' call.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import * as Described from "../../harness/Described.ts"
import { size } from "../../harness/Long.ts"
import { send } from "../../harness/RawRequest.ts"
import type { Answer } from "../../harness/RawRequest.ts"
import { client } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const secret = "operators-only"
let redis: RedisServer.RedisServer
let gateway: Serving
let description: { readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: object }>>>> }
/** A job of ann's that is over, so that its streams end at once. */
let job: string
beforeAll(async () => {
  redis = await RedisServer.start()
  const env = {
    ...simulatedOnly,
    REDIS_URL: redis.url,
    AUTH_MODE: "header",
    INTERNAL_SECRET: secret
  }
  gateway = await start("gateway", env)
  description = JSON.parse((await send(gateway.address, "/openapi.json")).body)
  const ann = client(gateway)
  job = await ann.accepted()
  await ann.remove(`/api/v1/scan/${job}`)
})
afterAll(async () => {
  await gateway.stop()
  await redis.stop()
})

interface Request {
  readonly method: string
  /** As described, `/a/{b}`. */
  readonly path: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

const long = "x".repeat(3_000)
const values = () => [
  "x",
  "0",
  "-1",
  job,
  `${job};x`,
  "a;b",
  "%00",
  "%zz",
  "%E0%A4",
  encodeURIComponent("이코/%;?#"),
  long,
  "%2e%2e"
]
const queries = ["x=1", "=", "&&", "%zz=%", "__proto__=1&constructor=2", `${long}=1`]
const ofQuery = (name: string) =>
  ["", "x", "1", "-1", "1e999", "%00", "%zz", "%E0%A4", "a%0ab", long]
    .map((value) => `${name}=${value}`)
    .concat(`${name}=1&${name}=2`)
const names = [
  "state",
  "pipeline",
  "owner",
  "limit",
  "cause",
  "job_id",
  "last_event_id",
  "language",
  "since",
  "cursor",
  "dry_run"
]
const bodies = [
  "",
  "{",
  "[]",
  "null",
  "{}",
  '{"a":1}',
  '{"image_url":1}',
  `"${long}"`,
  '{"attempts":"x"}',
  `${"[".repeat(500)}`
]
const strange: ReadonlyArray<Readonly<Record<string, string>>> = [
  { "last-event-id": "x" },
  { "x-idempotency-key": "\u00ff" },
  { "x-user-id": "\u0080" },
  { "content-type": "x" },
  { accept: "image/png" },
  { "content-encoding": "br" },
  { cookie: "s_access=%; =;;" },
  { origin: "https://evil.example", cookie: "a=b" }
]

/** The short form sends each n-th: with one call's number of requests, another part of them to each call. */
const everyNth = size("DESCRIBED_EVERY", { short: 5, long: 1 })
const requests = (): ReadonlyArray<Request> => all().filter((_, n) => n % everyNth === 0)

const all = (): ReadonlyArray<Request> =>
  Object.entries(description.paths).flatMap(([path, calls]) =>
    Object.keys(calls).flatMap((name) => {
      const method = name.toUpperCase()
      const filled = (value: string) => path.replaceAll(/\{\w+\}/g, value)
      const at = (target: string, more: Partial<Request> = {}): Request => ({
        method,
        path,
        target,
        headers: {},
        ...more
      })
      const usual = filled(job)
      const hasBody = method === "POST" || method === "PATCH"
      return [
        ...(path.includes("{") ? values().map((value) => at(filled(value))) : [at(path)]),
        ...[...queries, ...names.flatMap(ofQuery)].map((query) => at(`${usual}?${query}`)),
        ...strange.map((headers) => at(usual, { headers })),
        ...(hasBody ? bodies.map((body) => at(usual, { body, headers: { "content-type": "application/json" } })) : [])
      ]
    })
  )

const codeOf = ({ body }: Answer): unknown => {
  try {
    return JSON.parse(body).code
  } catch {
    return undefined
  }
}
const isDescribed = ({ method, path }: Request, answer: Answer): boolean => {
  if (answer.status < 400) return String(answer.status) in description.paths[path]![method.toLowerCase()]!.responses
  return Described.refusals(description, method, path).includes(`${answer.status} ${codeOf(answer)}`)
}
const shown = ({ method, target }: Request, { body, status }: Answer) =>
  `${method} ${target.slice(0, 120)} ${status} ${body.slice(0, 80)}`

describe("the description of the API", { timeout: 300_000 }, () => {
  it("each described call answers with what is described, whatever it is sent", async () => {
    const other: Array<string> = []
    for (const request of requests()) {
      const headers = { "x-user-id": "ann", "x-internal-secret": secret, ...request.headers }
      const isEndless = request.path.endsWith("/ops/tail")
      const answer = await send(gateway.address, request.target, { ...request, headers, isEndless })
      if (!isDescribed(request, answer)) other.push(shown(request, answer))
    }
    expect(other).toEqual([])
  })

  it("an operators' call, sent anything without the secret, answers 403 and nothing else", async () => {
    const other: Array<string> = []
    const operators = requests().filter(({ path }) => path.startsWith("/api/v1/internal/"))
    expect(operators.length).toBeGreaterThan(100)
    for (const request of operators) {
      const answer = await send(gateway.address, request.target, request)
      const misspelt = answer.status === 404 && answer.body.includes("no such page")
      if (!misspelt && answer.body !== '{"detail":"X-Internal-Secret is missing or wrong","code":"FORBIDDEN"}')
        other.push(shown(request, answer))
    }
    expect(other).toEqual([])
  })
})
