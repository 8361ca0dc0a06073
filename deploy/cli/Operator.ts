/**
 * Operator: a typed client of the gateway's operator calls, made from the definition that the gateway serves (OperatorApi).
 * The gateway: ECO2_URL, else the `npm start` of this checkout, else ADMIN_PORT or 8080 of this machine (inside a container, its own gateway). The secret: INTERNAL_SECRET,
 * else the one that `npm start` made, which is sent to that `npm start` alone.
 */
import { OperatorApi } from "@eco2/gateway/operator-api"
import { Setting } from "@eco2/core/client"
import type { Refusal } from "@eco2/core/http"
import { VisibleText } from "@eco2/core/telemetry"
import { Config, Context, Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import type { HttpClientError, HttpClientResponse } from "effect/http"
import { HttpApiClient } from "effect/http-api"
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

const exitOf = (status: number) =>
  status === 403 ? "refused" : status === 404 ? "notFound" : status === 503 ? "unreachable" : "failed"

/** The gateway's refusal as a CommandFailed. */
const refusal = Effect.fnUntraced(function* (url: string, response: HttpClientResponse.HttpClientResponse) {
  const body = readError(yield* Effect.orElseSucceed(response.json, () => null))
  if (Option.isNone(body)) {
    return yield* fail("failed", `${url} answered ${response.status}; is it a gateway, and of this version?`)
  }
  const { code, detail } = body.value
  if (response.status === 404 && detail === "no such page") {
    return yield* fail(
      "failed",
      `${url} does not serve operators; where ADMIN_PORT is set, they are served on that port`
    )
  }
  return yield* fail(
    exitOf(response.status),
    VisibleText.of(`${typeof detail === "string" ? detail : JSON.stringify(detail)} (${code})`)
  )
})

const make = Effect.gen(function* () {
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
      answer.pipe(
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () => Effect.fail(fail("unreachable", `${url} did not answer within ${timeout}`))
        }),
        Effect.flatMap((response) => (response.status < 400 ? Effect.succeed(response) : refusal(url, response)))
      )
    )
  )
  const client = yield* HttpApiClient.makeWith(OperatorApi, { httpClient: http, baseUrl: url })

  type Failure = CommandFailed | HttpClientError.HttpClientError | Schema.SchemaError | Refusal.Refusal
  return {
    /** One call; a failure becomes the command's. */
    ask: <A>(call: (asked: typeof client) => Effect.Effect<A, Failure>): Effect.Effect<A, CommandFailed> =>
      (isWrong
        ? Effect.fail(fail("usage", "ECO2_URL is not an http or https URL without user and password"))
        : secret === ""
          ? Effect.fail(
              fail("refused", `operators need a secret: set INTERNAL_SECRET, or run \`npm start\` first${obstacle}`)
            )
          : call(client)
      ).pipe(
        Effect.mapError((error) => {
          if (error instanceof CommandFailed) return error
          if ("reason" in error && (error.reason._tag === "TransportError" || error.reason._tag === "InvalidUrlError"))
            return fail("unreachable", `no answer from ${url}; set ECO2_URL, or run \`npm start\` first`)
          return fail("failed", `${url} sent an answer that this version does not understand`)
        })
      )
  }
})

export class Operator extends Context.Service<Operator, Effect.Success<typeof make>>()("@eco2/cli/Operator") {
  static readonly layer: Layer.Layer<Operator, never, HttpClient.HttpClient> = Layer.effect(Operator, make)
}
