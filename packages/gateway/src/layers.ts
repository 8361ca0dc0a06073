/** The roles `gateway` and `authz` as layers of routes, for composition roots. */
import { ModelTime, ServedModels } from "@eco2/actors/protocol"
import { Client, RecentSubmits, UploadedPictures } from "@eco2/core/client"
import { CorsOrigins, ErrorBody, Pages } from "@eco2/core/http"
import { Operations } from "@eco2/core/operations"
import { Role } from "@eco2/core/service"
import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { HttpApi, HttpApiGroup } from "effect/http-api"
import * as Authentication from "./auth/Authentication.ts"
import * as OperatorGate from "./auth/OperatorGate.ts"
import * as SameOrigin from "./auth/SameOrigin.ts"
import * as AuthzPermissions from "./authz/AuthzPermissions.ts"
import * as ExtAuthz from "./authz/ExtAuthz.ts"
import * as EventRouter from "./events/EventRouter.ts"
import { authMode, GatewayConfig } from "./GatewayConfig.ts"
import type { AuthMode } from "./GatewayConfig.ts"
import * as ImageStore from "./images/ImageStore.ts"
import { ImageStoreConfig } from "./images/ImageStoreConfig.ts"
import * as OwnImages from "./images/OwnImages.ts"
import * as S3Store from "./images/S3Store.ts"
import * as BreakerOpsHandlers from "./http/BreakerOpsHandlers.ts"
import * as BlacklistHandlers from "./http/BlacklistHandlers.ts"
import * as CharacterHandlers from "./http/CharacterHandlers.ts"
import * as Console from "./http/Console.ts"
import * as ConsoleHandlers from "./http/ConsoleHandlers.ts"
import * as ControlOpsHandlers from "./http/ControlOpsHandlers.ts"
import * as ImageHandlers from "./http/ImageHandlers.ts"
import * as FeedbackHandlers from "./http/FeedbackHandlers.ts"
import * as FeedbackOpsHandlers from "./http/FeedbackOpsHandlers.ts"
import * as KnownQuery from "./http/KnownQuery.ts"
import * as LimitOpsHandlers from "./http/LimitOpsHandlers.ts"
import * as OpsHandlers from "./http/OpsHandlers.ts"
import * as Page from "./http/Page.ts"
import { Api, InternalApi, PublicApi } from "./http/ScanApi.ts"
import * as RequestBody from "./http/RequestBody.ts"
import * as PolicyOpsHandlers from "./http/PolicyOpsHandlers.ts"
import * as TailOpsHandlers from "./http/TailOpsHandlers.ts"
import * as NewsOpsHandlers from "./http/NewsOpsHandlers.ts"
import * as RateOpsHandlers from "./http/RateOpsHandlers.ts"
import * as TopicOpsHandlers from "./http/TopicOpsHandlers.ts"
import * as ScheduleOpsHandlers from "./http/ScheduleOpsHandlers.ts"
import * as ResultView from "./http/ResultView.ts"
import * as ScanHandlers from "./http/ScanHandlers.ts"
import * as UserDataHandlers from "./http/UserDataHandlers.ts"
import * as WrongField from "./http/WrongField.ts"

/** The calls with their description: /openapi.json, and /docs for people. */
const described = <Id extends string, Groups extends HttpApiGroup.Constraint>(api: HttpApi.HttpApi<Id, Groups>) =>
  Layer.merge(HttpApiBuilder.layer(api), Pages.description(api, { json: "/openapi.json", page: "/docs" }))

/** `authDefault`: the default of AUTH_MODE. `host`: the default of HOST. */
export const gateway = (options: { readonly authDefault: AuthMode; readonly host: string }) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const config = yield* GatewayConfig
      yield* ModelTime
      const { insecure, mode } = yield* authMode({ default: options.authDefault, host: options.host })
      const bodies = yield* RequestBody.make({ most: config.uploadMemory, mostOfUser: config.userUploadMemory })
      const imageStore = yield* ImageStoreConfig
      const images = OwnImages.layer(config.publicUrl).pipe(
        Layer.provideMerge(
          (imageStore === "redis" ? ImageStore.inRedis : S3Store.layer(imageStore)).pipe(
            Layer.provide(UploadedPictures.layer)
          )
        )
      )
      const secrets = { operator: config.internalSecret, viewer: config.viewerSecret }
      const groups = Layer.mergeAll(
        ScanHandlers.layer(config, bodies).pipe(Layer.provide(RecentSubmits.layer({ mostBytes: config.submitMemory }))),
        ImageHandlers.layer(config, bodies),
        CharacterHandlers.layer,
        UserDataHandlers.layer,
        FeedbackHandlers.layer(bodies),
        FeedbackOpsHandlers.layer,
        OpsHandlers.layer,
        ScheduleOpsHandlers.layer,
        PolicyOpsHandlers.layer,
        LimitOpsHandlers.layer,
        ControlOpsHandlers.layer,
        BreakerOpsHandlers.layer,
        TailOpsHandlers.layer,
        TopicOpsHandlers.layer,
        NewsOpsHandlers.layer,
        RateOpsHandlers.layer,
        ConsoleHandlers.layer(secrets),
        BlacklistHandlers.layer(bodies)
      ).pipe(
        Layer.provide([EventRouter.layer(config), ResultView.layer, ServedModels.layer, images]),
        Layer.provide([
          Authentication.layer(mode, { corsOrigins: config.corsOrigins, anyHost: insecure }),
          OperatorGate.layer(secrets),
          SameOrigin.layer(config.corsOrigins),
          WrongField.layer,
          KnownQuery.layer,
          ErrorBody.failures
        ]),
        Layer.provide(Operations.layer)
      )
      const { isApart } = yield* Role.AdminPort
      const calls = isApart
        ? Layer.merge(described(PublicApi), Role.onAdmin(Layer.merge(described(InternalApi), ErrorBody.layer)))
        : described(Api)
      return Layer.mergeAll(
        Layer.provide(calls, groups),
        Page.layer(config),
        Role.onAdmin(Console.layer),
        ErrorBody.layer,
        Client.readiness,
        Client.dataGuard,
        Client.telemetry,
        Client.fleetTelemetry,
        Client.unservedWatch,
        Client.topicReadiness,
        CorsOrigins.layer(config.corsOrigins, {
          methods: ["GET", "POST", "PUT", "DELETE", "OPTIONS"],
          headers: ["content-type", "authorization", "x-user-id", "x-idempotency-key", "last-event-id"],
          exposed: ["location", "retry-after"]
        })
      )
    })
  )

/** What authz needs of its Redis user; for its RedisClient. */
export const authzPermissions = AuthzPermissions.layer

/** The server of Envoy's ext_authz. Ready while its list of revocations is fresh enough, whether Redis answers or not. */
export const authz = Layer.merge(ExtAuthz.layer, Client.dataGuard)
