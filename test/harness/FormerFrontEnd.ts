/**
 * FormerFrontEnd: the calls that the former service's front end (eco2-team/frontend) makes of Eco², and what it reads of the
 * answers: methods, paths, headers, bodies and fields. The calls are written down here from watching it; none of its code is.
 * Answers are decoded strictly for the fields that its pages use; more fields do no harm there.
 */
import { Schema } from "effect"

/** The calls of one scan, in their order, as its pages make them. */
export interface Call {
  readonly method: "GET" | "POST" | "PUT"
  /** With `{name}` for what an earlier answer gave. */
  readonly path: string
  /** The body's fields, for JSON; `photo` for the bytes themselves. */
  readonly body?: "photo" | Readonly<Record<string, string>>
  /** Cookies go along (`withCredentials`). */
  readonly credentials: boolean
}
export const calls = {
  upload: {
    method: "POST",
    path: "/api/v1/images/scan",
    body: { filename: "image_1700000000000.png", content_type: "image/png" },
    credentials: true
  },
  put: { method: "PUT", path: "{upload_url}", body: "photo", credentials: false },
  submit: { method: "POST", path: "/api/v1/scan", body: { image_url: "{cdn_url}" }, credentials: true },
  events: { method: "GET", path: "{stream_url}", credentials: true },
  result: { method: "GET", path: "/api/v1/scan/{job_id}/result", credentials: true },
  characters: { method: "GET", path: "/api/v1/users/me/characters", credentials: true },
  news: { method: "GET", path: "/api/v1/info/news?limit=10", credentials: true },
  newsOf: { method: "GET", path: "/api/v1/info/news?category={category}&limit=10", credentials: true },
  moreNews: { method: "GET", path: "/api/v1/info/news?limit=10&cursor={next_cursor}", credentials: true }
} as const satisfies Readonly<Record<string, Call>>

/** Of a request with a JSON body; the browser adds Origin and cookies. */
export const headers = { accept: "application/json, text/plain, */*", "content-type": "application/json" }

export const Upload = Schema.Struct({
  key: Schema.String,
  upload_url: Schema.String,
  cdn_url: Schema.String,
  expires_in: Schema.Number,
  required_headers: Schema.Record(Schema.String, Schema.String)
})
export const Submitted = Schema.Struct({
  job_id: Schema.String,
  stream_url: Schema.String,
  result_url: Schema.String,
  status: Schema.Literal("queued")
})
/** It steps on at each `completed`, whose stage it takes from the data. */
export const stages = ["queued", "vision", "rule", "answer", "reward", "done"] as const
export const ScanEvent = Schema.Struct({
  job_id: Schema.String,
  stage: Schema.Literals(stages),
  status: Schema.Literals(["started", "completed", "delta"]),
  seq: Schema.optionalKey(Schema.Number),
  ts: Schema.Number,
  progress: Schema.optionalKey(Schema.Number)
})
export const Result = Schema.Struct({
  task_id: Schema.String,
  status: Schema.Literal("completed"),
  message: Schema.String,
  pipeline_result: Schema.Struct({
    classification_result: Schema.Struct({
      classification: Schema.Struct({
        major_category: Schema.String,
        // shown alone
        middle_category: Schema.NonEmptyString,
        minor_category: Schema.NullOr(Schema.String)
      })
    }),
    disposal_rules: Schema.NullOr(Schema.Struct({ key: Schema.String, category: Schema.String })),
    final_answer: Schema.Struct({
      disposal_steps: Schema.Record(Schema.String, Schema.String),
      insufficiencies: Schema.Array(Schema.String),
      user_answer: Schema.String
    })
  }),
  reward: Schema.NullOr(
    Schema.Struct({
      name: Schema.String,
      dialog: Schema.String,
      match_reason: Schema.String,
      type: Schema.String
    })
  )
})
/** Its own pictures and texts are by these names. */
export const characterNames = [
  ...["이코", "페이피", "팩토리", "페티", "비니", "글래시", "코튼"],
  ...["플리", "메탈리", "배리", "라이티", "일렉", "폼이"]
] as const
export const OwnCharacters = Schema.Array(
  Schema.Struct({
    id: Schema.String,
    code: Schema.String,
    name: Schema.Literals(characterNames),
    type: Schema.String,
    dialog: Schema.String,
    acquired_at: Schema.String
  })
)
const nullable = Schema.NullOr(Schema.String)
export const News = Schema.Struct({
  articles: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      title: Schema.String,
      url: Schema.String,
      snippet: Schema.String,
      source: Schema.String,
      source_name: Schema.String,
      published_at: Schema.String,
      thumbnail_url: nullable,
      category: nullable,
      source_icon_url: nullable,
      video_url: nullable,
      keywords: Schema.NullOr(Schema.Array(Schema.String)),
      ai_tag: nullable
    })
  ),
  next_cursor: nullable,
  has_more: Schema.Boolean,
  meta: Schema.Struct({ total_cached: Schema.Number, cache_expires_in: Schema.Number })
})
export const newsCategories = ["environment", "energy", "ai"] as const
