/**
 * StreamDoctor: checks that live progress passes the proxies in front of a gateway: events arrive one by one and on time, not
 * compressed, over HTTP/2. It submits a scan to a model (`simulated` by default; a hosted model costs a call) and watches it, or
 * it watches a running job of the caller's, which at least sends keepalives.
 * The submitted job is like any other and expires with JOB_TTL.
 */
import { Clock, Config, Effect, Option, Redacted, Schema } from "effect"
import { Sse } from "effect/encoding"
import { createHmac, randomUUID } from "node:crypto"
import { failing, ok, warn } from "./Finding.ts"
import type { Finding } from "./Finding.ts"
import * as Watch from "./Watch.ts"
import type { Piece, Watched } from "./Watch.ts"

export interface Options {
  /** The address that browsers use, proxies included: `https://eco2.example`. */
  readonly url: URL
  readonly token: Option.Option<string>
  /** The model of the submitted scan. */
  readonly model: string
  /** The job to watch; then nothing is submitted. */
  readonly job: Option.Option<string>
}

const patienceMillis = 10_000
/** Two keepalives and a margin. */
const streamMillis = 40_000
/** The delay from which an event counts as held back by a proxy. */
const lateMillis = 300
/** The smallest possible picture. */
const picture =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

const Models = Schema.fromJsonString(Schema.Struct({ models: Schema.Array(Schema.String) }))
const Accepted = Schema.fromJsonString(
  Schema.Struct({ job_id: Schema.NonEmptyString, stream_url: Schema.NonEmptyString })
)
const EventData = Schema.fromJsonString(Schema.Struct({ ts: Schema.Finite, stage: Schema.String }))
const decodeModels = Schema.decodeUnknownOption(Models)
const decodeAccepted = Schema.decodeUnknownOption(Accepted)
const decodeData = Schema.decodeUnknownOption(EventData)

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** The token given; else one made with JWT_SECRET, if this machine has it; else none, for gateways that need none. */
const credentials = Effect.fnUntraced(function* (given: Option.Option<string>) {
  if (Option.isSome(given)) return { authorization: `Bearer ${given.value}` }
  const { audience, issuer, secret } = yield* Config.all({
    secret: Config.option(Config.Redacted("JWT_SECRET")),
    issuer: Config.option(Config.String("JWT_ISSUER")),
    audience: Config.option(Config.String("JWT_AUDIENCE"))
  })
  if (Option.isNone(secret) || Option.isNone(issuer) || Option.isNone(audience)) return {}
  // an empty value counts as not set
  if (Redacted.value(secret.value) === "") return {}
  const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  const claims = {
    sub: "eco2-doctor",
    jti: randomUUID(),
    iss: issuer.value,
    aud: audience.value,
    iat: now,
    exp: now + 300
  }
  const signed = `${base64({ alg: "HS256", typ: "JWT" })}.${base64(claims)}`
  const signature = createHmac("sha256", Redacted.value(secret.value)).update(signed).digest("base64url")
  return { authorization: `Bearer ${signed}.${signature}` }
})

interface Arrived {
  readonly at: number
  /** When the event happened, by Redis's clock, milliseconds; null if it does not say. */
  readonly happened: number | null
  readonly name: string
}

/** The events of a stream, each with the arrival time of its last piece. */
export const arrivals = (pieces: ReadonlyArray<Piece>): ReadonlyArray<Arrived> => {
  const found: Array<Arrived> = []
  let at = 0
  const parser = Sse.makeParser((event) => {
    if (event._tag === "Retry") return
    const data = decodeData(event.data)
    found.push({ at, name: event.event, happened: Option.isSome(data) ? data.value.ts * 1000 : null })
  })
  for (const piece of pieces) {
    at = piece.at
    // the parser refuses events of more than 10 MiB; Watch reads less than that in all
    parser.feed(piece.text)
  }
  return found
}

const isOver = ({ name }: Arrived) => name === "done" || name === "failed" || name === "cancelled"
const seconds = (millis: number) => `${(millis / 1000).toFixed(2)} s`
const unbuffer =
  "turn buffering off for this path (nginx: proxy_buffering off), or let the proxy follow the header X-Accel-Buffering, which the gateway sends"

const ofHeaders = (watched: Watched): ReadonlyArray<Finding> => {
  const encoding = watched.header("content-encoding")
  const type = watched.header("content-type") ?? "none"
  return [
    type.startsWith("text/event-stream")
      ? ok("stream.type", type)
      : failing("stream.type", `content-type ${type}`, "a proxy answers instead of the gateway"),
    encoding === undefined || encoding === "identity"
      ? ok("stream.compression", "none")
      : failing(
          "stream.compression",
          `compressed with ${encoding}: events wait until a block is full`,
          "exclude text/event-stream from the compression of the proxy"
        )
  ]
}

/** `submittedAt`: when the job was accepted, which is when its first event happened; relates the two clocks. */
const ofArrivals = (watched: Watched, submittedAt: number): Finding => {
  const check = "stream.buffering"
  const events = arrivals(watched.pieces).filter(({ happened }) => happened !== null)
  const [first] = events
  const last = events.at(-1)
  if (first === undefined || last === undefined || !isOver(last)) {
    return failing(
      check,
      `${events.length} events within ${seconds(streamMillis)}, but the job has not ended`,
      "check that workers run (`eco2 mailboxes`), then the time limits of the proxy"
    )
  }
  const due = (event: Arrived) => Math.max(submittedAt + (event.happened! - first.happened!), watched.sentAt)
  // only events after the stream was requested: earlier ones cannot be late
  const spread = due(last) - watched.sentAt
  const late = Math.max(...events.map((event) => event.at - due(event)))
  const found = `${events.length} events over ${seconds(spread)}, the latest ${seconds(Math.max(0, late))} after it happened`
  if (late > Math.max(lateMillis, spread / 2)) return failing(check, `${found}: they are delayed`, unbuffer)
  return spread < 2 * lateMillis
    ? warn(
        check,
        `${found}: too fast to judge`,
        "set SIMULATED_VISION_MS and SIMULATED_ANSWER_MS to 300 or more, or name another --model"
      )
    : ok(check, found)
}

/** For a running job: the first bytes come at once, then a keepalive or an event. */
const ofRunning = (watched: Watched): Finding => {
  const check = "stream.buffering"
  const [first] = watched.pieces
  if (first === undefined) return failing(check, `nothing within ${seconds(streamMillis)}`, unbuffer)
  const waited = first.at - watched.sentAt
  const later = watched.pieces.filter(({ at }) => at - first.at > lateMillis)
  if (later.length === 0) return warn(check, "the stream ended at once", "name a job that is running or waiting")
  return waited > 10 * lateMillis
    ? failing(check, `the first bytes came after ${seconds(waited)}`, unbuffer)
    : ok(check, `first bytes after ${seconds(waited)}, ${later.length} pieces later`)
}

const ofProtocol = Effect.fnUntraced(function* (url: URL) {
  const spoken = yield* Watch.protocol(url, patienceMillis)
  return spoken === "HTTP/2"
    ? ok("stream.http", spoken)
    : warn(
        "stream.http",
        `${spoken}: a browser opens six connections to a host, and each open stream takes one`,
        "serve browsers TLS with HTTP/2"
      )
})

const refused = (check: string, { status, text }: Watched, advice: string): Finding =>
  failing(check, `HTTP ${status}: ${text.slice(0, 200).replaceAll(/\s+/g, " ")}`, advice)

const submitting = Effect.fnUntraced(function* (options: Options, headers: Readonly<Record<string, string>>) {
  const offered = yield* Watch.watch(new URL("/api/v1/scan/models", options.url), { headers, millis: patienceMillis })
  const letIn = "pass --token, or set JWT_SECRET, JWT_ISSUER and JWT_AUDIENCE to the values of the gateway"
  if (offered.status !== 200) return [refused("stream.reach", offered, letIn)]
  const decoded = decodeModels(offered.text)
  if (Option.isNone(decoded)) {
    return [
      refused(
        "stream.reach",
        offered,
        "another server answers instead of the gateway: make the proxy forward /api/v1 to it"
      )
    ]
  }
  const { models } = decoded.value
  if (!models.includes(options.model)) {
    return [
      ok("stream.reach", `${options.url.origin} answers`),
      warn(
        "stream.buffering",
        `not tried: the gateway does not offer the model ${options.model}`,
        `name an offered model (this costs a call), --model ${models[0] ?? "<model>"}, or a running job, --job <id>`
      )
    ]
  }
  const submitted = yield* Watch.watch(new URL("/api/v1/scan", options.url), {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    // a question of its own: the reply to one that was asked before would come at once (MODEL_REUSE)
    body: JSON.stringify({
      image_url: picture,
      model: options.model,
      user_input: `How do I dispose of this? (${randomUUID()})`
    }),
    millis: patienceMillis
  })
  const submittedAt = performance.now()
  const accepted = decodeAccepted(submitted.text)
  if (submitted.status !== 202 || Option.isNone(accepted)) return [refused("stream.submit", submitted, letIn)]
  const watched = yield* Watch.watch(new URL(accepted.value.stream_url, options.url), {
    headers: { ...headers, accept: "text/event-stream" },
    millis: streamMillis,
    enough: (pieces) => arrivals(pieces).some(isOver)
  })
  return [
    ok("stream.reach", `${options.url.origin} answers; ${options.model} accepted job ${accepted.value.job_id}`),
    ...(watched.status === 200
      ? [...ofHeaders(watched), ofArrivals(watched, submittedAt)]
      : [refused("stream.open", watched, "make the proxy forward this path to the gateway")])
  ]
})

const following = Effect.fnUntraced(function* (
  options: Options,
  job: string,
  headers: Readonly<Record<string, string>>
) {
  const watched = yield* Watch.watch(new URL(`/api/v1/scan/${encodeURIComponent(job)}/events`, options.url), {
    headers: { ...headers, accept: "text/event-stream" },
    millis: streamMillis,
    enough: (pieces) => pieces.length > 1 && pieces.at(-1)!.at - pieces[0]!.at > 4 * lateMillis
  })
  return watched.status === 200
    ? [ok("stream.reach", `${options.url.origin} streams the job`), ...ofHeaders(watched), ofRunning(watched)]
    : [refused("stream.open", watched, "name a job of the token's user that has not expired")]
})

/** Checks the way to the gateway at `url`. */
export const examine = (options: Options): Effect.Effect<ReadonlyArray<Finding>, Config.ConfigError> =>
  Effect.gen(function* () {
    // a gateway with AUTH_MODE=none uses this header; a token replaces it
    const headers = { "x-user-id": "eco2-doctor", ...(yield* credentials(options.token)) }
    const spoken = yield* ofProtocol(options.url)
    const rest = yield* Option.match(options.job, {
      onNone: () => submitting(options, headers),
      onSome: (job) => following(options, job, headers)
    })
    return [spoken, ...rest]
  }).pipe(
    Effect.catchTag("Unreached", (error) =>
      Effect.succeed([
        failing("stream.reach", `${options.url.origin}: ${error.message}`, "check --url, and that the proxy is up")
      ])
    )
  )
