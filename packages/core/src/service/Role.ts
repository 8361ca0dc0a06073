/**
 * Role: runs a process: logging, probes, the app, an orderly stop. PORT serves the app; with ADMIN_PORT, metrics and what the app
 * adds for operators (`onAdmin`) are there and on PORT no more. A wrong setting ends the process with one line that names it. Order of the stop: not ready and streams end (Stopping), the HTTP server closes, then the app's layers
 * (ActorSystem drains, A5), connections last.
 * A part that fails for good (Readiness, Supervisor) ends the process in the same order; /readyz reports the reason before.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Config, Context, Deferred, Effect, Layer, Schedule } from "effect"
import type { FileSystem, Path } from "effect"
import { HttpRouter } from "effect/http"
import type { Etag, HttpPlatform } from "effect/http"
import * as Setting from "../config/Setting.ts"
import * as ExactRouter from "./ExactRouter.ts"
import * as Health from "./Health.ts"
import * as HttpPort from "./HttpPort.ts"
import * as Logging from "./Logging.ts"
import * as EventLoop from "../telemetry/EventLoop.ts"
import { Gauges } from "../telemetry/Gauges.ts"
import * as ProcessTelemetry from "../telemetry/ProcessTelemetry.ts"
import * as Main from "../supervision/Main.ts"
import { Readiness } from "../supervision/Readiness.ts"

/** `requested` completes when the process begins to stop; endless responses must then end, so that the server can close. */
export class Stopping extends Context.Service<Stopping, { readonly requested: Effect.Effect<void> }>()(
  "@eco2/core/service/Stopping"
) {}

/** Where the routes of operators and scrapers are added (`onAdmin`). */
export class AdminPort extends Context.Service<
  AdminPort,
  {
    readonly router: HttpRouter.HttpRouter
    /** Whether it is a port of its own; otherwise `router` is the one of PORT. */
    readonly isApart: boolean
  }
>()("@eco2/core/service/AdminPort") {}

/** All routes of the process, for tests that ask each of them. */
export class Routes extends Context.Service<
  Routes,
  { readonly main: ExactRouter.ExactRouter["routes"]; readonly admin: ExactRouter.ExactRouter["routes"] }
>()("@eco2/core/service/Routes") {}

const ListenConfig = (defaultHost: string) =>
  Config.all({
    /** PORT: where HTTP is served. Default 8080. */
    port: Setting.integer("PORT", { default: 8080, min: 0, max: 65_535 }),
    /** ADMIN_PORT: where metrics and the operators' API are served instead of on PORT. Default: on PORT. */
    adminPort: Setting.parsed<number | null>("ADMIN_PORT", {
      default: null,
      allowed: "a whole number from 0 to 65535",
      parse: (text) => (/^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined)
    }),
    /** MAX_CONNECTIONS: connections that each port has at once; more are closed. Default 12000. */
    maxConnections: Setting.integer("MAX_CONNECTIONS", { default: 12_000, min: 10, max: 1_000_000 }),
    /** HOST: the address HTTP is served on. Default 0.0.0.0 in a role, 127.0.0.1 in `npm start`. */
    host: Setting.parsed("HOST", { default: defaultHost, allowed: "an address of this machine", parse: (text) => text })
  }).pipe(
    Config.mapEffect((listen) =>
      listen.adminPort !== null && listen.adminPort !== 0 && listen.adminPort === listen.port
        ? Setting.refused(
            `ADMIN_PORT is ${listen.adminPort}, and so is PORT; leave ADMIN_PORT out to serve everything on PORT`
          )
        : Effect.succeed(listen)
    )
  )

/** The services that a role provides to its app. */
export type Services =
  | HttpRouter.HttpRouter
  | AdminPort
  | Gauges
  | Readiness
  | Stopping
  | FileSystem.FileSystem
  | Path.Path
  | HttpPlatform.HttpPlatform
  | Etag.Generator

export interface Options<E> {
  readonly role: string
  /** Behaviors and routes; /readyz runs the readiness checks that it registers. */
  readonly app: Layer.Layer<never, E, Services>
  readonly host?: string
  /**
   * Runs beside the role once the server listens; `address` as in `http://127.0.0.1:8080`, `admin` the same without ADMIN_PORT.
   * `ready`: waits until /readyz is 200.
   */
  readonly started?: (address: string, admin: string, ready: Effect.Effect<void>) => Effect.Effect<void>
}

/**
 * Adds the layer's routes and middlewares to ADMIN_PORT, or to PORT if that is not set. The layer is built anew, so that one
 * which PORT has too can be given.
 */
export const onAdmin = <A, E, R>(
  layer: Layer.Layer<A, E, R>
): Layer.Layer<A, E, AdminPort | Exclude<R, HttpRouter.HttpRouter>> =>
  Layer.provide(
    Layer.fresh(layer),
    Layer.effect(
      HttpRouter.HttpRouter,
      Effect.map(AdminPort, ({ router }) => router)
    )
  )

/** The role as a layer: built when it serves, closed in order. */
export const layer = <E>(options: Options<E>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { adminPort, host, maxConnections: most, port } = yield* ListenConfig(options.host ?? "0.0.0.0")
      const stopping = yield* Deferred.make<void>()
      let isStopping = false
      const main = { port: yield* HttpPort.open({ host, port, most }), ...(yield* ExactRouter.make) }
      const isApart = adminPort !== null
      const admin = isApart
        ? { port: yield* HttpPort.open({ host, port: adminPort, most }), ...(yield* ExactRouter.make) }
        : main
      const all = isApart ? [main, admin] : [main]

      const routes = Layer.mergeAll(
        options.app,
        Health.probes,
        EventLoop.telemetry,
        ProcessTelemetry.layer(options.role),
        onAdmin(Health.metrics),
        isApart ? onAdmin(Health.probes) : Layer.empty
      )
      const serve = Layer.effectDiscard(
        Effect.forEach(all, ({ app, port }) => Effect.flatMap(app, port.serve), { discard: true })
      )
      // built last, so that its finalizer runs before the servers wait for open responses
      const onStop = Layer.effectDiscard(
        Effect.gen(function* () {
          const readiness = yield* Readiness
          yield* readiness.register("process", () => (isStopping ? "stopping" : null))
          yield* Effect.addFinalizer(() =>
            Effect.andThen(
              Effect.sync(() => {
                isStopping = true
                for (const { port } of all) port.closeUnused()
              }),
              Deferred.succeed(stopping, undefined)
            )
          )
          const { address } = main.port
          yield* Effect.logInfo("serving").pipe(
            Effect.annotateLogs({ address, ...(isApart ? { admin: admin.port.address } : {}) })
          )
          const ready = Effect.suspend(() => Effect.succeed(readiness.troubles().length === 0)).pipe(
            Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: (isReady) => isReady }),
            Effect.asVoid
          )
          if (options.started !== undefined)
            yield* Effect.forkScoped(options.started(address, admin.port.address, ready))
        })
      )
      return onStop.pipe(
        Layer.provideMerge(serve),
        Layer.provideMerge(routes),
        Layer.provideMerge(
          Layer.mergeAll(
            Readiness.layer,
            Gauges.layer,
            EventLoop.layer,
            Layer.succeed(Routes, { main: main.routes, admin: admin.routes })
          )
        ),
        Layer.provide([
          Layer.succeed(Stopping, { requested: Deferred.await(stopping) }),
          Layer.succeed(HttpRouter.HttpRouter, main.router),
          Layer.succeed(AdminPort, { router: admin.router, isApart }),
          NodeHttpServer.layerHttpServices
        ])
      )
    })
  )

/** Runs the role; fails, after an orderly stop, when a part of it has failed for good (Supervisor). */
export const launch = <E>(options: Options<E>) =>
  Effect.scoped(Effect.flatMap(Layer.build(layer(options)), (context) => Context.get(context, Readiness).failed))

/** Runs until SIGTERM or SIGINT (Main); exit code 0 after an orderly stop, 1 when it cannot start or a part failed for good. */
export const run = <E>(options: Options<E>): void =>
  Main.run(Main.reported(options.role, launch(options)).pipe(Effect.provide(Logging.layer(options.role))))
