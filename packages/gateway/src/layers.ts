/** The roles `gateway` and `authz` as layers of routes, for composition roots. */
import { Core, PagePolicy } from "@eco2/core"
import { Effect, Layer } from "effect"
import { HttpEffect, HttpMiddleware, HttpRouter } from "effect/http"
import { HttpApiBuilder, HttpApiScalar } from "effect/http-api"
import * as Authorization from "./auth/Authorization.ts"
import * as ExtAuthz from "./authz/ExtAuthz.ts"
import * as EventRouter from "./events/EventRouter.ts"
import { authMode, GatewayConfig } from "./GatewayConfig.ts"
import type { AuthMode } from "./GatewayConfig.ts"
import * as BlacklistHandlers from "./http/BlacklistHandlers.ts"
import * as CharacterHandlers from "./http/CharacterHandlers.ts"
import { noSuchPage, withErrorBody } from "./http/HttpErrors.ts"
import * as OpsHandlers from "./http/OpsHandlers.ts"
import * as Page from "./http/Page.ts"
import { Api } from "./http/ScanApi.ts"
import * as PolicyOpsHandlers from "./http/PolicyOpsHandlers.ts"
import * as ScheduleOpsHandlers from "./http/ScheduleOpsHandlers.ts"
import * as ScanHandlers from "./http/ScanHandlers.ts"

const notFound = HttpRouter.add("*", "/*", Effect.succeed(noSuchPage))

/** Also for what the router refuses by itself. */
const errorBodies = HttpRouter.middleware(
  (app) =>
    HttpEffect.withPreResponseHandler(app, (_, response) =>
      Effect.succeed(PagePolicy.withPolicy(withErrorBody(response)))
    ),
  { global: true }
)

const cors = (origins: ReadonlyArray<string>) =>
  origins.length === 0
    ? Layer.empty
    : HttpRouter.middleware(
        HttpMiddleware.cors({
          allowedOrigins: (origin) => origins.includes(origin),
          allowedMethods: ["GET", "POST", "DELETE", "OPTIONS"],
          allowedHeaders: ["content-type", "authorization", "x-user-id", "x-idempotency-key", "last-event-id"],
          exposedHeaders: ["location", "retry-after"],
          credentials: true,
          maxAge: 600
        }),
        { global: true }
      )

/** `authDefault`: what AUTH_MODE defaults to. `host`: what HOST defaults to. */
export const gateway = (options: { readonly authDefault: AuthMode; readonly host: string }) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const config = yield* GatewayConfig
      const { insecure, mode } = yield* authMode({ default: options.authDefault, host: options.host })
      const api = HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(
        Layer.provide([
          ScanHandlers.layer(config),
          CharacterHandlers.layer,
          OpsHandlers.layer(config.internalSecret),
          ScheduleOpsHandlers.layer(config.internalSecret),
          PolicyOpsHandlers.layer(config.internalSecret),
          BlacklistHandlers.layer(config)
        ]),
        Layer.provide(Core.operations),
        Layer.provide(EventRouter.layer(config)),
        Layer.provide(Authorization.layer(mode, { corsOrigins: config.corsOrigins, anyHost: insecure }))
      )
      return Layer.mergeAll(
        api,
        HttpApiScalar.layer(Api, { path: "/docs", scalar: { withDefaultFonts: false } }),
        Page.layer,
        notFound,
        errorBodies,
        Core.storeReadiness,
        Core.storeTelemetry,
        Core.topicReadiness,
        cors(config.corsOrigins)
      )
    })
  )

/** Answers an Envoy's ext_authz. Ready while its list of revocations may be believed, whether Redis answers or not. */
export const authz = ExtAuthz.layer
