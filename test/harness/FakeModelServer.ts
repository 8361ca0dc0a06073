/**
 * FakeModelServer: a real HTTP server on loopback with the parts of OpenAI's two APIs (Responses, Chat Completions) and of the
 * Gemini API that the adapters use, streamed where a call asks for it. Tests set its answers; it records every call and signals when a call arrives or is aborted, so that tests wait
 * for facts instead of time.
 *
 * A call with an image is of kind `vision`, any other `answer`; each kind has its own script.
 *
 * As a process, for load tests: `PORT=4010 node test/harness/FakeModelServer.ts` prints one line when it listens.
 * VISION_MS and ANSWER_MS set the latencies; then bodies are not kept, and GET /ledger returns the counts. ANSWER_FIRST_MS: when the
 * first token of a streamed answer leaves; the others follow evenly until ANSWER_MS.
 */
import { createServer } from "node:http"
import type { IncomingMessage, Server, ServerResponse } from "node:http"

export type Kind = "vision" | "answer"
export type Api = "openai" | "chat" | "gemini"

/** The answer to one call. */
export type Outcome =
  /** the kind's normal reply */
  | { readonly _tag: "Reply" }
  /** 429; `retryAfterSeconds` as each API sends it: OpenAI in a header, Gemini as `retryDelay` in the body */
  | { readonly _tag: "RateLimit"; readonly retryAfterSeconds?: number }
  | { readonly _tag: "ServerError" }
  | { readonly _tag: "Unauthorized" }
  /** the model's output is this text, whatever the schema asked for */
  | { readonly _tag: "Text"; readonly text: string }
  /** OpenAI: refusal content; Gemini: a candidate withheld for safety */
  | { readonly _tag: "Refusal" }
  /** OpenAI: `incomplete` by a content filter; Gemini: the prompt is blocked */
  | { readonly _tag: "Filtered" }
  /** the output stops halfway: OpenAI `max_output_tokens`, Gemini `MAX_TOKENS` */
  | { readonly _tag: "CutOff" }
  /** any HTTP response */
  | { readonly _tag: "Http"; readonly status: number; readonly body: string; readonly headers?: Record<string, string> }
  /** the normal reply, once this promise has settled */
  | { readonly _tag: "Held"; readonly until: Promise<unknown> }
  /** never answers; the connection stays open */
  | { readonly _tag: "Hang" }
  /** the connection is closed without an answer */
  | { readonly _tag: "Drop" }
  /** half a body, then the connection is closed */
  | { readonly _tag: "DropHalfway" }
  /** server-sent events as they are, then the end, or a closed connection */
  | { readonly _tag: "Events"; readonly events: ReadonlyArray<string>; readonly isDropped?: boolean }
  /** the normal reply of a stream, its first events alone, then a closed connection */
  | { readonly _tag: "DropStream"; readonly after: number }

/** One call in the ledger. `aborted`: the client disconnected before it had the whole answer. */
export interface Call {
  /** Unix milliseconds of arrival, body included. */
  readonly at: number
  readonly provider: Api
  readonly model: string
  readonly kind: Kind
  readonly hasImage: boolean
  /** Decoded size; 0 for a picture given by its address. */
  readonly imageBytes: number
  aborted: boolean
  /** The parsed request; null if bodies are not kept. */
  readonly body: unknown
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}

interface Script {
  latencyMillis: number
  /** Of a stream's first token; null: the whole answer leaves after the latency. */
  firstTokenMillis: number | null
  reply: unknown
  readonly next: Array<Outcome>
  /** What a call gets when `next` is empty. */
  always: Outcome
}

const usually: Outcome = { _tag: "Reply" }

interface Asked {
  readonly provider: Api
  readonly model: string
  readonly image: { readonly bytes: number } | null
  readonly schema: unknown
  readonly isStream: boolean
}

export class FakeModelServer {
  /** Address without a path; OpenAI clients want `${url}/v1`. */
  readonly url: string
  /** Every call, in order of arrival. */
  readonly calls: Array<Call> = []
  /** Calls not yet answered, and the maximum so far. */
  inFlight = 0
  peakInFlight = 0
  readonly #server: Server
  readonly #keepBodies: boolean
  readonly #scripts: Record<Kind, Script> = {
    vision: { latencyMillis: 0, firstTokenMillis: null, reply: usualClassification, next: [], always: usually },
    answer: { latencyMillis: 0, firstTokenMillis: null, reply: usualAnswer, next: [], always: usually }
  }
  readonly #watchers = new Set<() => void>()
  /** APIs that this server does not know, and what it answers there. */
  #unknown: { readonly apis: ReadonlyArray<Api>; readonly status: number; readonly body: string } | null = null
  #limit: { readonly requests: number; readonly windowMillis: number } | null = null
  #key: string | null = null
  /** Recent arrivals that were accepted. */
  #taken: Array<number> = []
  /** Calls refused because of the limit. */
  refused = 0

  private constructor(server: Server, port: number, keepBodies: boolean) {
    this.#server = server
    this.url = `http://127.0.0.1:${port}`
    this.#keepBodies = keepBodies
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      this.#serve(request, response).catch(() => response.destroy())
    })
  }

  /** Listens on 127.0.0.1; `port` 0 takes a free one. */
  static async start(
    options: { readonly port?: number; readonly keepBodies?: boolean } = {}
  ): Promise<FakeModelServer> {
    const server = createServer()
    // a client's pooled connection must not be closed under its next request
    server.keepAliveTimeout = 60_000
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject)
      server.listen(options.port ?? 0, "127.0.0.1", resolve)
    })
    const address = server.address()
    if (address === null || typeof address === "string") throw new Error("no TCP address")
    return new FakeModelServer(server, address.port, options.keepBodies ?? true)
  }

  /** Milliseconds between a call's arrival and its answer. */
  setLatency(kind: Kind, millis: number): void {
    this.#scripts[kind].latencyMillis = millis
  }

  /** A stream of the kind's normal reply leaves token by token: the first after `millis`, the last when the latency is over. */
  setFirstToken(kind: Kind, millis: number): void {
    this.#scripts[kind].firstTokenMillis = millis
  }

  /**
   * The kind's normal reply from now on; cut to the schema a call asks for. Where it leaves token by token, `{sent}` in a text becomes
   * two unix times in milliseconds: when the reply's first token left, and when this one did.
   */
  setReply(kind: Kind, reply: unknown): void {
    this.#scripts[kind].reply = reply
  }

  /** The next `times` calls of the kind get `outcome`; queued behind those already set. */
  next(kind: Kind, outcome: Outcome, times = 1): void {
    for (let n = 0; n < times; n++) this.#scripts[kind].next.push(outcome)
  }

  /** Each call of the kind gets `outcome` from now on, however many come; those set by `next` go first. */
  always(kind: Kind, outcome: Outcome): void {
    this.#scripts[kind].always = outcome
  }

  /** Answers 429 with a retry time if more calls than this come within a window; null: no limit. */
  setLimit(limit: { readonly requests: number; readonly windowMillis: number } | null): void {
    this.#limit = limit
    this.#taken = []
    this.refused = 0
  }

  /** From now on these APIs are unknown here: a 404, unless said otherwise. */
  setUnknown(apis: ReadonlyArray<Api>, status = 404, body = '{"detail":"Not Found"}'): void {
    this.#unknown = { apis, status, body }
  }

  /** OpenAI's calls with another key are answered with 401 from now on, and so is the list of models; null: any key is good. */
  setKey(key: string | null): void {
    this.#key = key
  }

  /** Null, or how long a call that arrives now must wait. */
  #overLimit(now: number): number | null {
    if (this.#limit === null) return null
    const { requests, windowMillis } = this.#limit
    this.#taken = this.#taken.filter((at) => at > now - windowMillis)
    if (this.#taken.length < requests) {
      this.#taken.push(now)
      return null
    }
    this.refused++
    return Math.max(1, Math.ceil(this.#taken[0]! + windowMillis - now))
  }

  /** Back to the state after start; open calls stay open. */
  reset(): void {
    this.setLimit(null)
    this.#key = null
    this.#unknown = null
    this.calls.length = 0
    this.peakInFlight = this.inFlight
    this.#scripts.vision.next.length = 0
    this.#scripts.answer.next.length = 0
    Object.assign(this.#scripts.vision, {
      latencyMillis: 0,
      firstTokenMillis: null,
      reply: usualClassification,
      always: usually
    })
    Object.assign(this.#scripts.answer, {
      latencyMillis: 0,
      firstTokenMillis: null,
      reply: usualAnswer,
      always: usually
    })
  }

  /** The `n`th call since start or reset, counted from 1, as soon as it has arrived. */
  waitForCall(n: number): Promise<Call> {
    return this.#when(() => this.calls[n - 1])
  }

  /** The `n`th of the calls whose client has disconnected without the answer, in order of their arrival, as soon as there are so many. */
  waitForAbort(n: number): Promise<Call> {
    return this.#when(() => this.calls.filter(({ aborted }) => aborted)[n - 1])
  }

  /** Stops listening and closes every connection, hanging calls included. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  #when(look: () => Call | undefined): Promise<Call> {
    return new Promise((resolve) => {
      const check = () => {
        const call = look()
        if (call === undefined) return
        this.#watchers.delete(check)
        resolve(call)
      }
      this.#watchers.add(check)
      check()
    })
  }

  #changed(): void {
    for (const check of [...this.#watchers]) check()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const arrived = performance.now()
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk)
    const path = new URL(request.url ?? "/", this.url).pathname
    if (request.method === "GET" && path === "/ledger") {
      return send(
        response,
        200,
        JSON.stringify({ calls: this.calls.length, in_flight: this.inFlight, peak_in_flight: this.peakInFlight })
      )
    }
    if (this.#key !== null && request.headers.authorization !== `Bearer ${this.#key}`)
      return send(response, 401, errorBody("openai", 401, "wrong key"))
    if (request.method === "GET" && path === "/v1/models")
      return send(response, 200, JSON.stringify({ object: "list", data: [{ id: "gpt-5.2", object: "model" }] }))
    const body: unknown = request.method === "POST" ? JSON.parse(Buffer.concat(chunks).toString("utf8")) : null
    const asked =
      path === "/v1/responses"
        ? openAiCall(body)
        : path === "/v1/chat/completions"
          ? chatCall(body)
          : geminiCall(path, body)
    if (asked === null || request.method !== "POST")
      return send(response, 404, errorBody("openai", 404, "no such path"))

    const stayAway = this.#overLimit(arrived)
    if (stayAway !== null) {
      const body = errorBody(asked.provider, 429, "slow down", stayAway / 1_000)
      return send(response, 429, body, { "retry-after-ms": String(stayAway) })
    }
    const kind: Kind = asked.image === null ? "answer" : "vision"
    const script = this.#scripts[kind]
    const outcome = script.next.shift() ?? script.always
    const call: Call = {
      at: Date.now(),
      provider: asked.provider,
      model: asked.model,
      kind,
      hasImage: asked.image !== null,
      imageBytes: asked.image?.bytes ?? 0,
      aborted: false,
      body: this.#keepBodies ? body : null,
      headers: this.#keepBodies ? request.headers : {}
    }
    let ours = false
    this.inFlight++
    this.peakInFlight = Math.max(this.peakInFlight, this.inFlight)
    this.calls.push(call)
    this.#changed()

    if (this.#unknown?.apis.includes(asked.provider) === true) {
      const { body: text, status } = this.#unknown
      script.next.unshift(...(outcome._tag === "Reply" ? [] : [outcome]))
      this.inFlight--
      return send(response, status, text)
    }
    const { firstTokenMillis, latencyMillis, reply } = script
    const isPaced = firstTokenMillis !== null && asked.isStream && outcome._tag === "Reply"
    const timer = setTimeout(
      () => {
        ours = outcome._tag === "Drop" || outcome._tag === "DropHalfway"
        if (isPaced) speak(response, asked, reply, latencyMillis - firstTokenMillis)
        else give(response, asked, outcome, reply)
      },
      isPaced ? firstTokenMillis : latencyMillis
    )
    response.once("close", () => {
      clearTimeout(timer)
      this.inFlight--
      call.aborted = !ours && !response.writableFinished
      this.#changed()
    })
  }
}

/** The default photo: an empty clear bottle. */
export const usualClassification = {
  major_category: "재활용폐기물",
  middle_category: "무색페트병",
  minor_category: "생수병",
  situation_tags: ["내용물 비움", "라벨 붙어 있음"]
}

export const usualAnswer = {
  disposal_steps: [
    "내용물을 비우고 물로 헹굽니다.",
    "라벨을 떼어 비닐류로 내놓습니다.",
    "눌러서 뚜껑을 닫고 투명 페트병 수거함에 넣습니다."
  ],
  insufficiencies: [],
  user_answer: "투명 페트병은 따로 모아 배출합니다. 라벨을 먼저 떼어 주세요."
}

const inputTokens = 1200
const outputTokens = 150
/** Parts of the above. */
const cachedTokens = 1000
const reasoningTokens = 50

const give = (response: ServerResponse, asked: Asked, outcome: Outcome, reply: unknown): void => {
  const { provider } = asked
  const output = (text: string, finish: Finish = "done") => {
    const body = bodies[provider](asked.model, text, finish)
    if (!asked.isStream) return send(response, 200, body)
    stream(response, streams[provider](JSON.parse(body), piecesOf(text)), false)
  }
  switch (outcome._tag) {
    case "Reply":
      return output(JSON.stringify(conform(asked.schema, reply)))
    case "Text":
      return output(outcome.text)
    case "Refusal":
      return output("I cannot help with that.", "refused")
    case "Filtered":
      return output("", "filtered")
    case "CutOff":
      return output(JSON.stringify(conform(asked.schema, reply)).slice(0, 30), "cut")
    case "RateLimit": {
      const seconds = outcome.retryAfterSeconds
      const told = seconds === undefined || provider === "gemini" ? {} : { "retry-after": String(seconds) }
      return send(response, 429, errorBody(provider, 429, "slow down", seconds), told)
    }
    case "ServerError":
      return send(response, 500, errorBody(provider, 500, "something broke"))
    case "Unauthorized":
      return send(response, 401, errorBody(provider, 401, "wrong key"))
    case "Http":
      return send(response, outcome.status, outcome.body, outcome.headers)
    case "Held":
      void outcome.until.then(() => give(response, asked, { _tag: "Reply" }, reply))
      return
    case "Hang":
      return
    case "Drop":
      response.socket?.destroy()
      return
    case "Events":
      return stream(response, outcome.events, outcome.isDropped === true)
    case "DropStream": {
      const text = JSON.stringify(conform(asked.schema, reply))
      const events = streams[provider](JSON.parse(bodies[provider](asked.model, text, "done")), piecesOf(text))
      return stream(response, events.slice(0, outcome.after), true)
    }
    case "DropHalfway":
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" })
      response.write('{"output":[', () => response.socket?.destroy())
      return
  }
}

type Finish = "done" | "refused" | "filtered" | "cut"

const send = (response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { "content-type": "application/json", "x-request-id": "req_fake", ...headers })
  response.end(body)
}

/** Each event by itself, so that the client gets them one by one. */
const stream = (response: ServerResponse, events: ReadonlyArray<string>, isDropped: boolean): void => {
  response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "req_fake" })
  const [first, ...rest] = events
  if (first === undefined) {
    if (isDropped) response.socket?.destroy()
    else response.end()
    return
  }
  response.write(first, () => setImmediate(() => streamRest(response, rest, isDropped)))
}

const streamRest = (response: ServerResponse, events: ReadonlyArray<string>, isDropped: boolean): void => {
  const [first, ...rest] = events
  if (first !== undefined) response.write(first, () => setImmediate(() => streamRest(response, rest, isDropped)))
  else if (isDropped) response.socket?.destroy()
  else response.end()
}

/** The normal reply, token by token within `millis`; nothing more once the client is gone. */
const speak = (response: ServerResponse, asked: Asked, reply: unknown, millis: number): void => {
  const text = JSON.stringify(conform(asked.schema, reply))
  const tokens = text.match(/\{sent\}|\w+|[^\w{]{1,2}|\{/gu) ?? []
  const { model, provider } = asked
  const events = streams[provider](JSON.parse(bodies[provider](model, text, "done")), tokens)
  const gap = millis / Math.max(1, events.length - 1)
  const began = Date.now()
  let sent: string | null = null
  let given = 0
  response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "req_fake" })
  const go = () => {
    for (; given < events.length && Date.now() >= Math.floor(began + given * gap); given++) {
      const one = events[given]!
      if (one.includes("{sent}")) sent ??= `${began} ${Date.now()}`
      response.write(sent === null ? one : one.replaceAll("{sent}", sent))
    }
    if (given === events.length) response.end()
    else if (!response.destroyed) setTimeout(go, began + given * gap - Date.now())
  }
  go()
}

/** Pieces of a few characters, as models write them. */
const piecesOf = (text: string): ReadonlyArray<string> => text.match(/[\s\S]{1,7}/g) ?? []
export const event = (data: unknown, name?: string): string =>
  `${name === undefined ? "" : `event: ${name}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`

/** The events of a stream whose result is this body, by API. */
const streams: Readonly<Record<Api, (body: unknown, pieces: ReadonlyArray<string>) => ReadonlyArray<string>>> = {
  openai: (body, pieces) => [
    event({ type: "response.created", response: { id: "resp_fake", status: "in_progress", output: [] } }),
    ...pieces.map((delta) => event({ type: "response.output_text.delta", delta })),
    event({ type: `response.${String(at(body, "status"))}`, response: body })
  ],
  chat: (body, pieces) => {
    const chunk = (choices: ReadonlyArray<unknown>, usage: unknown = null) =>
      event({ id: at(body, "id"), object: "chat.completion.chunk", choices, usage })
    const message = at(body, "choices", 0, "message")
    const refusal = at(message, "refusal")
    return [
      chunk([{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }]),
      ...(typeof refusal === "string"
        ? [chunk([{ index: 0, delta: { refusal }, finish_reason: null }])]
        : pieces.map((content) => chunk([{ index: 0, delta: { content }, finish_reason: null }]))),
      chunk([{ index: 0, delta: {}, finish_reason: at(body, "choices", 0, "finish_reason") }]),
      chunk([], at(body, "usage")),
      event("[DONE]")
    ]
  },
  gemini: (body, pieces) => {
    const withheld = at(body, "candidates", 0, "content") === undefined
    return [
      ...(withheld ? [] : pieces).map((piece) =>
        event({
          responseId: "gen_fake",
          candidates: [{ index: 0, content: { role: "model", parts: [{ text: piece }] } }]
        })
      ),
      event({
        ...Object(body),
        ...(withheld
          ? {}
          : {
              candidates: [
                {
                  index: 0,
                  content: { role: "model", parts: [{ text: "" }] },
                  finishReason: at(body, "candidates", 0, "finishReason")
                }
              ]
            })
      })
    ]
  }
}

const chatBody = (model: string, text: string, finish: Finish): string =>
  JSON.stringify({
    id: "chatcmpl_fake",
    object: "chat.completion",
    created: Math.floor(Date.now() / 1000),
    model,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: finish === "refused" ? null : text,
          refusal: finish === "refused" ? text : null
        },
        finish_reason: finish === "filtered" ? "content_filter" : finish === "cut" ? "length" : "stop"
      }
    ],
    usage: {
      prompt_tokens: inputTokens,
      prompt_tokens_details: { cached_tokens: cachedTokens },
      completion_tokens: outputTokens,
      completion_tokens_details: { reasoning_tokens: reasoningTokens },
      total_tokens: inputTokens + outputTokens
    }
  })

const openAiBody = (model: string, text: string, finish: Finish): string => {
  const content =
    finish === "refused" ? { type: "refusal", refusal: text } : { type: "output_text", text, annotations: [] }
  const stopped = finish === "filtered" ? "content_filter" : finish === "cut" ? "max_output_tokens" : null
  return JSON.stringify({
    id: "resp_fake",
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    model,
    status: stopped === null ? "completed" : "incomplete",
    error: null,
    incomplete_details: stopped === null ? null : { reason: stopped },
    output: [
      { id: "rs_fake", type: "reasoning", summary: [] },
      {
        id: "msg_fake",
        type: "message",
        role: "assistant",
        status: stopped === null ? "completed" : "incomplete",
        content: [content]
      }
    ],
    usage: {
      input_tokens: inputTokens,
      input_tokens_details: { cached_tokens: cachedTokens },
      output_tokens: outputTokens,
      output_tokens_details: { reasoning_tokens: reasoningTokens },
      total_tokens: inputTokens + outputTokens
    }
  })
}

const geminiBody = (model: string, text: string, finish: Finish): string => {
  const usageMetadata = {
    promptTokenCount: inputTokens,
    cachedContentTokenCount: cachedTokens,
    candidatesTokenCount: outputTokens - reasoningTokens,
    thoughtsTokenCount: reasoningTokens,
    totalTokenCount: inputTokens + outputTokens
  }
  if (finish === "filtered") {
    return JSON.stringify({
      responseId: "gen_fake",
      promptFeedback: { blockReason: "PROHIBITED_CONTENT" },
      usageMetadata,
      modelVersion: model
    })
  }
  const withheld = finish === "refused"
  return JSON.stringify({
    responseId: "gen_fake",
    candidates: [
      {
        index: 0,
        finishReason: withheld ? "SAFETY" : finish === "cut" ? "MAX_TOKENS" : "STOP",
        ...(withheld ? {} : { content: { role: "model", parts: [{ text: "let me think", thought: true }, { text }] } })
      }
    ],
    usageMetadata,
    modelVersion: model
  })
}

const bodies: Readonly<Record<Api, (model: string, text: string, finish: Finish) => string>> = {
  openai: openAiBody,
  chat: chatBody,
  gemini: geminiBody
}

const errorBody = (provider: Api, status: number, message: string, retryAfterSeconds?: number): string => {
  const code = { 401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded" }[status] ?? "server_error"
  if (provider !== "gemini") return JSON.stringify({ error: { message, type: code, param: null, code } })
  const details =
    retryAfterSeconds === undefined
      ? []
      : [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${retryAfterSeconds}s` }]
  const name = { 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED" }[status] ?? "INTERNAL"
  return JSON.stringify({ error: { code: status, message, status: name, details } })
}

/** A property of an unknown value; undefined if it is missing. */
const at = (value: unknown, ...path: ReadonlyArray<string | number>): unknown => {
  let here = value
  for (const key of path) {
    if (typeof here !== "object" || here === null) return undefined
    here = Object.entries(here).find(([name]) => name === String(key))?.[1]
  }
  return here
}

const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const openAiCall = (body: unknown): Asked => {
  const parts = list(at(body, "input")).flatMap((message) => list(at(message, "content")))
  const image = parts.find((part) => at(part, "type") === "input_image")
  const url = String(at(image, "image_url") ?? "")
  return {
    provider: "openai",
    model: String(at(body, "model")),
    image:
      image === undefined
        ? null
        : { bytes: url.startsWith("data:") ? decodedSize(url.slice(url.indexOf(",") + 1)) : 0 },
    schema: at(body, "text", "format", "schema"),
    isStream: at(body, "stream") === true
  }
}

const chatCall = (body: unknown): Asked => {
  const parts = list(at(body, "messages")).flatMap((message) => list(at(message, "content")))
  const image = parts.find((part) => at(part, "type") === "image_url")
  const url = String(at(image, "image_url", "url") ?? "")
  return {
    provider: "chat",
    model: String(at(body, "model")),
    image:
      image === undefined
        ? null
        : { bytes: url.startsWith("data:") ? decodedSize(url.slice(url.indexOf(",") + 1)) : 0 },
    schema: at(body, "response_format", "json_schema", "schema"),
    isStream: at(body, "stream") === true
  }
}

const geminiCall = (path: string, body: unknown): Asked | null => {
  const [, model, method] = /^\/v1beta\/models\/(.+):(generateContent|streamGenerateContent)$/.exec(path) ?? []
  if (model === undefined) return null
  const parts = list(at(body, "contents")).flatMap((content) => list(at(content, "parts")))
  const image = parts.find((part) => at(part, "inlineData") !== undefined)
  return {
    provider: "gemini",
    model: decodeURIComponent(model),
    image: image === undefined ? null : { bytes: decodedSize(String(at(image, "inlineData", "data"))) },
    schema: at(body, "generationConfig", "responseJsonSchema"),
    isStream: method === "streamGenerateContent"
  }
}

/** The picture as the provider got it; null if it got none, or its address. */
export const imageOf = ({ body }: Call): Buffer | null => {
  const found = /"(?:(?:image_)?url":"data:[a-z/]+;base64,|data":")([A-Za-z0-9+/]+={0,2})"/.exec(JSON.stringify(body))
  return found === null ? null : Buffer.from(found[1] ?? "", "base64")
}

const decodedSize = (base64: string): number => Math.floor((base64.replace(/=+$/, "").length * 3) / 4)

/** Cuts `value` to the schema; what is missing or not allowed becomes the simplest allowed value. */
const conform = (schema: unknown, value: unknown): unknown => {
  const choices = list(at(schema, "anyOf"))
  if (choices.length > 0) {
    const matching = choices.find(
      (choice) => (at(choice, "type") === "null") === (value === null || value === undefined)
    )
    return conform(matching ?? choices[0], value)
  }
  const allowed = list(at(schema, "enum"))
  if (allowed.length > 0) return allowed.includes(value) ? value : allowed[0]
  switch (at(schema, "type")) {
    case "object":
      return Object.fromEntries(
        Object.entries(at(schema, "properties") ?? {}).map(([name, property]) => [
          name,
          conform(property, at(value, name))
        ])
      )
    case "array":
      return list(value).map((item) => conform(at(schema, "items"), item))
    case "string":
      return typeof value === "string" ? value : ""
    case "integer":
    case "number":
      return typeof value === "number" ? value : 0
    case "boolean":
      return value === true
    case "null":
      return null
    default:
      return value
  }
}

if (import.meta.main) {
  const number = (name: string) => Number(process.env[name] ?? 0)
  const server = await FakeModelServer.start({ port: number("PORT"), keepBodies: false })
  server.setLatency("vision", number("VISION_MS"))
  server.setLatency("answer", number("ANSWER_MS"))
  if (process.env.ANSWER_FIRST_MS !== undefined) {
    server.setFirstToken("answer", number("ANSWER_FIRST_MS"))
    // as long as models' answers are: tokens some 10 ms apart
    server.setReply("answer", { ...usualAnswer, user_answer: `{sent} ${`${usualAnswer.user_answer} `.repeat(10)}` })
  }
  console.log(`fake model server ready on ${server.url}`)
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void server.close())
}
