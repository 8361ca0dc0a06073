/**
 * ErrorBody: what a provider says in place of an answer, from any of the shapes that OpenAI, Google, the servers that speak
 * their APIs, and the proxies before them use. Never fails: a text of no known shape is its own words.
 */
import { Option, Schema } from "effect"
import { code, list, maybe, text } from "./Loose.ts"

export interface ErrorBody {
  /** Codes, types, states and reasons. */
  readonly codes: ReadonlyArray<string>
  /** The parameter it complains about, or "". */
  readonly param: string
  readonly words: string
  /** An HTTP status that a gateway passes on inside a body. */
  readonly status: number | null
  /** Gemini's `retryDelay`. */
  readonly retryDelay: string | undefined
}

const Detail = Schema.Struct({
  reason: text,
  retryDelay: text,
  violations: maybe(list(Schema.Struct({ quotaId: text, quotaValue: code })))
})
const Failure = Schema.Struct({
  message: text,
  type: text,
  code,
  param: text,
  status: code,
  details: maybe(list(Detail)),
  innererror: maybe(Schema.Struct({ code: text })),
  metadata: maybe(Schema.Struct({ reasons: maybe(list(Schema.String)), raw: text }))
})
type Failure = typeof Failure.Type
/** FastAPI: one sentence, or a list with the place of each complaint. */
const Complaint = Schema.Struct({
  loc: maybe(list(Schema.Union([Schema.String, Schema.Number]))),
  msg: text,
  type: text
})
const Body = Schema.Struct({
  error: maybe(Schema.Union([Schema.String, Failure])),
  detail: maybe(Schema.Union([Schema.String, list(Complaint)])),
  ...Failure.fields
})
const decode = Schema.decodeUnknownOption(Schema.Union([Body, Schema.Tuple([Body])]))

const words = (text: string): string =>
  /^\s*<(?:!doctype|html)/i.test(text) ? (/<title>([^<]*)/i.exec(text)?.[1] ?? "") : text

export const parse = (body: string): ErrorBody => {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return { codes: [], param: "", words: words(body), status: null, retryDelay: undefined }
  }
  return of(value)
}

/** From a parsed body, or its `error`. */
export const of = (value: unknown): ErrorBody => {
  const decoded = Option.getOrUndefined(decode(value))
  const body = decoded === undefined ? {} : "length" in decoded ? decoded[0] : decoded
  const { detail, error } = { detail: undefined, error: undefined, ...body }
  const complaints = typeof detail === "object" ? detail.filter((one) => one !== undefined) : []
  const failure: Partial<Failure> = typeof error === "object" ? error : body
  const details = (failure.details ?? []).filter((one) => one !== undefined)
  const violations = details.flatMap(({ violations }) => violations ?? []).filter((one) => one !== undefined)
  const numeric = Number(failure.code)
  return {
    codes: [
      failure.code,
      failure.type,
      failure.status,
      failure.innererror?.code,
      ...details.map(({ reason }) => reason),
      ...(failure.metadata?.reasons ?? []).map((reason) => (reason === undefined ? undefined : "flagged")),
      ...complaints.map(({ type }) => type)
    ].flatMap((one) => (one === undefined ? [] : [String(one)])),
    param: failure.param ?? complaints[0]?.loc?.filter((part) => part !== "body").join(".") ?? "",
    words: [
      typeof error === "string" ? error : failure.message,
      typeof detail === "string" ? detail : undefined,
      ...complaints.map(({ loc, msg }) => [...(loc ?? []), msg].join(" ")),
      failure.metadata?.raw,
      // which quota it is, a minute's or a day's, is told by its name alone
      ...violations.map(({ quotaId = "", quotaValue }) => `${quotaId}${String(quotaValue) === "0" ? " limit: 0" : ""}`)
    ]
      .filter((one) => one !== undefined && one !== "")
      .join(" "),
    status: Number.isInteger(numeric) && numeric >= 400 && numeric < 600 ? numeric : null,
    retryDelay: details.find(({ retryDelay }) => retryDelay !== undefined)?.retryDelay
  }
}
