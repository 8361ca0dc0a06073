/**
 * OperatorCalls: a typed client of the gateway's operator calls, made from the definition that the gateway serves (OperatorApi), a
 * group of calls when it is first used.
 * The gateway: ECO2_URL, else the `npm start` of this checkout, else ADMIN_PORT or 8080 of this machine (inside a container, its own gateway). The secret: INTERNAL_SECRET,
 * else the one that `npm start` made, which is sent to that `npm start` alone.
 */
import { OperatorApi } from "@eco2/gateway/operator-api"
import { Setting, VisibleText } from "@eco2/core/protocol"
import type { Refusal } from "@eco2/core/refusal"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as OperatorAccess from "../local/OperatorAccess.ts"
import { CommandFailed, fail } from "./CommandFailed.ts"

const settings = Config.all({
  /** ECO2_URL: the gateway to call. Default: the `npm start` of this checkout, else ADMIN_PORT or 8080 of this machine. */
  url: Config.option(Config.String("ECO2_URL")),
  /** ADMIN_PORT: where a gateway of the same environment serves operators. */
  adminPort: Config.option(Config.String("ADMIN_PORT")),
  /** ECO2_STATE: the state folder of `npm start`, which has its address. */
  state: Config.option(Config.String("ECO2_STATE")),
  secret: Config.option(Config.Redacted("INTERNAL_SECRET"))
})

const timeout = "30 seconds"
const ErrorBody = Schema.Struct({ detail: Schema.Unknown, code: Schema.String })
const readError = Schema.decodeUnknownOption(ErrorBody)

/** 502 and 504: a proxy has no answer from the gateway behind it. */
const exitOf = (status: number) =>
  status === 403 ? "refused" : status === 404 ? "notFound" : status >= 502 && status <= 504 ? "unreachable" : "failed"

/** Whether the call at hand has left: what is wrong with it before is the command's, after it the answer's. */
class Asking extends Context.Reference<{ isSent: boolean }>("@eco2/cli/OperatorCalls/Asking", {
  defaultValue: () => ({ isSent: false })
}) {}

const once = <A>(make: () => Effect.Effect<A>) => {
  let made: A | undefined
  return () => (made ??= Effect.runSync(make()))
}

const kinds: Readonly<Record<string, string>> = {
  jobs: "job",
  mailboxes: "mailbox",
  policies: "mailbox",
  limits: "limit",
  breakers: "breaker",
  schedules: "schedule",
  processes: "process"
}
/** What a call names, by its path: "job 01ab…", "letter scan.vision/0/1-0"; undefined: it names nothing. */
const namedBy = (url: string): string | undefined => {
  const [, path = ""] = (URL.parse(url)?.pathname ?? "").split("/internal/ops/")
  const [kind = "", name = "", list, ...letter] = path.split("/").map((part) => decodeURIComponent(part))
  if (name === "" || kinds[kind] === undefined) return undefined
  return list === "dead" && letter.length >= 2
    ? `letter ${name}/${letter.slice(0, 2).join("/")}`
    : `${kinds[kind]} ${name}`
}

/** The gateway's refusal as a CommandFailed. */
const refusal = Effect.fnUntraced(function* (url: string, response: HttpClientResponse.HttpClientResponse) {
  const body = readError(yield* Effect.orElseSucceed(response.json, () => null))
  if (Option.isNone(body)) {
    if (exitOf(response.status) === "unreachable") {
      return yield* fail("unreachable", `no answer from the gateway behind ${url}: ${response.status}`)
    }
    return yield* fail("failed", `${url} answered ${response.status}; is it a gateway, and of this version?`)
  }
  const { code, detail } = body.value
  if (response.status === 404 && detail === "no such page") {
    return yield* fail(
      "failed",
      `${url} does not serve operators; where ADMIN_PORT is set, they are served on that port`
    )
  }
  const named = namedBy(response.request.url)
  if (response.status === 404 && code === "NOT_FOUND" && named !== undefined) {
    return yield* fail("notFound", VisibleText.of(`there is no ${named}`))
  }
  return yield* fail(
    exitOf(response.status),
    VisibleText.of(`${typeof detail === "string" ? detail : JSON.stringify(detail)} (${code})`)
  )
})

export const make = Effect.gen(function* () {
  const given = yield* Effect.orDie(settings)
  const stated = (value: Option.Option<string>) => Option.filter(value, (text) => text !== "")
  const folder = Option.getOrElse(stated(given.state), () => OperatorAccess.defaultFolder)
  const told = yield* Effect.result(
    Effect.try({
      try: () => OperatorAccess.read(folder),
      catch: (error) => (error instanceof Error ? error.message : String(error))
    })
  )
  const local = told._tag === "Success" ? told.success : null
  const obstacle = told._tag === "Success" ? "" : ` (${told.failure})`
  const isWrong = Option.exists(stated(given.url), (text) => !Setting.isWebUrl(text))
  const beside = `http://127.0.0.1:${Option.getOrElse(stated(given.adminPort), () => "8080")}`
  const url = Option.getOrElse(stated(given.url), () => local?.address ?? beside).replace(/\/+$/, "")
  const secret = Option.getOrElse(stated(Option.map(given.secret, Redacted.value)), () =>
    local?.address === url ? (local.secret ?? "") : ""
  )
  const http = (yield* HttpClient.HttpClient).pipe(
    HttpClient.mapRequest(HttpClientRequest.setHeader("x-internal-secret", secret)),
    HttpClient.transform((answer) =>
      Effect.flatMap(Asking, (asking) => {
        asking.isSent = true
        return answer
      }).pipe(
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () => Effect.fail(fail("unreachable", `${url} did not answer within ${timeout}`))
        }),
        Effect.flatMap((response) => (response.status < 400 ? Effect.succeed(response) : refusal(url, response)))
      )
    )
  )
  const way = { httpClient: http, baseUrl: url }
  // a group has the codecs of all its calls: it is made when it is asked for
  const groups = {
    ops: once(() => HttpApiClient.group(OperatorApi, { ...way, group: "ops" })),
    schedules: once(() => HttpApiClient.group(OperatorApi, { ...way, group: "schedules" })),
    policies: once(() => HttpApiClient.group(OperatorApi, { ...way, group: "policies" })),
    limits: once(() => HttpApiClient.group(OperatorApi, { ...way, group: "limits" })),
    console: once(() => HttpApiClient.group(OperatorApi, { ...way, group: "console" })),
    controls: once(() => HttpApiClient.group(OperatorApi, { ...way, group: "controls" })),
    feedbackOps: once(() => HttpApiClient.group(OperatorApi, { ...way, group: "feedbackOps" })),
    breakers: once(() => HttpApiClient.group(OperatorApi, { ...way, group: "breakers" })),
    tail: once(() => HttpApiClient.group(OperatorApi, { ...way, group: "tail" })),
    topics: once(() => HttpApiClient.group(OperatorApi, { ...way, group: "topics" })),
    news: once(() => HttpApiClient.group(OperatorApi, { ...way, group: "news" })),
    rates: once(() => HttpApiClient.group(OperatorApi, { ...way, group: "rates" }))
  }
  const client = {
    get ops() {
      return groups.ops()
    },
    get schedules() {
      return groups.schedules()
    },
    get policies() {
      return groups.policies()
    },
    get limits() {
      return groups.limits()
    },
    get console() {
      return groups.console()
    },
    get controls() {
      return groups.controls()
    },
    get feedbackOps() {
      return groups.feedbackOps()
    },
    get breakers() {
      return groups.breakers()
    },
    get tail() {
      return groups.tail()
    },
    get topics() {
      return groups.topics()
    },
    get news() {
      return groups.news()
    },
    get rates() {
      return groups.rates()
    }
  }

  type Failure = CommandFailed | HttpClientError.HttpClientError | Schema.SchemaError | Refusal.Refusal
  return {
    /** One call; a failure becomes the command's. */
    ask: <A>(call: (asked: typeof client) => Effect.Effect<A, Failure>): Effect.Effect<A, CommandFailed> =>
      Effect.suspend(() => {
        if (isWrong) return Effect.fail(fail("usage", "ECO2_URL is not an http or https URL without user and password"))
        if (secret === "") {
          return Effect.fail(
            fail("refused", `operators need a secret: set INTERNAL_SECRET, or run \`npm start\` first${obstacle}`)
          )
        }
        const asking = { isSent: false }
        return call(client).pipe(
          Effect.provideService(Asking, asking),
          Effect.mapError((error) => {
            if (error instanceof CommandFailed) return error
            if (error._tag === "SchemaError" && !asking.isSent) return fail("usage", `not allowed: ${error.message}`)
            if (
              "reason" in error &&
              (error.reason._tag === "TransportError" || error.reason._tag === "InvalidUrlError")
            )
              return fail("unreachable", `no answer from ${url}; set ECO2_URL, or run \`npm start\` first`)
            // fetch fails so while it reads a body
            if ("reason" in error && error.reason._tag === "DecodeError" && error.reason.cause instanceof TypeError)
              return fail("unreachable", `the answer of ${url} was cut off`)
            return fail("failed", `${url} sent an answer that this version does not understand`)
          })
        )
      })
  }
}).pipe(Effect.provide(FetchHttpClient.layer))

export type Calls = Effect.Success<typeof make>
