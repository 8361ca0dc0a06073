/**
 * GatewayConfig: the settings of the role `gateway`. An invalid value stops the process at start and names the variable.
 */
import { ImageHosts } from "@eco2/actors/protocol"
import { Setting } from "@eco2/core/client"
import { CorsOrigins } from "@eco2/core/http"
import { Config, Duration, Effect } from "effect"

export const GatewayConfig = Config.all({
  corsOrigins: CorsOrigins.corsOrigins,
  /** IMAGE_HOSTS: hosts an image_url may name; workers read it too. Default: any public host. */
  imageHosts: ImageHosts.ImageHosts,
  /** VIEW_TIMEOUT: the longest time of one stream. Default 300 seconds. */
  viewTimeout: Setting.duration("VIEW_TIMEOUT", { default: "300 seconds" }),
  /** KEEPALIVE: a stream silent for this long sends a keepalive and is checked for losses. Default, and most, 15 seconds. */
  keepalive: Setting.duration("KEEPALIVE", { default: "15 seconds", min: "100 millis" }).pipe(
    Config.map((duration) => Duration.min(duration, Duration.seconds(15)))
  ),
  /** INTERNAL_SECRET: the secret of operators for /api/v1/internal, sent as X-Internal-Secret. Not set: nobody has access. */
  internalSecret: Config.option(Config.Redacted("INTERNAL_SECRET")),
  /** VIEWER_SECRET: the secret of those who may see what operators see, and change nothing. Not set: nobody. */
  viewerSecret: Config.option(Config.Redacted("VIEWER_SECRET")),
  /** MAX_VIEWERS: streams one gateway process serves at once. Default 10000. */
  maxViewers: Setting.integer("MAX_VIEWERS", { default: 10_000, min: 1, max: 1_000_000 }),
  /** USER_VIEWERS: streams of one user one gateway process serves at once. Default 500. */
  userViewers: Setting.integer("USER_VIEWERS", { default: 500, min: 1, max: 1_000_000 }),
  /** UPLOAD_MEMORY: bytes that request bodies take in one gateway process, two copies of each; more are refused. Default 256 MiB. */
  uploadMemory: Setting.byteSize("UPLOAD_MEMORY", { default: "256 MiB", min: "32 MiB" }),
  /** USER_UPLOAD_MEMORY: the same for one user's bodies. Default 64 MiB. */
  userUploadMemory: Setting.byteSize("USER_UPLOAD_MEMORY", { default: "64 MiB", min: "32 MiB" }),
  /** SIGN_IN_URL: where the page sends a user who is not signed in; `{return}` in it becomes the page's own address. Default: nowhere. */
  signInUrl: Setting.parsed<string | null>("SIGN_IN_URL", {
    default: null,
    allowed: "an http or https URL without user and password, or a path that begins with one /",
    parse: (text) => (/^\/(?!\/)/.test(text) || Setting.isWebUrl(text.replaceAll("{return}", "")) ? text : undefined)
  }),
  /** PUBLIC_URL: where clients reach the gateway, for the addresses of photos. Default: as each request says. */
  publicUrl: Setting.parsed<string | null>("PUBLIC_URL", {
    default: null,
    allowed: "an http or https URL without user, password, path and query, as https://eco2.example",
    parse: (text) => (Setting.isWebUrl(text) && URL.parse(text)?.origin === text ? text : undefined)
  }),
  /** SUBMIT_MEMORY: bytes of accepted submits kept for 30 s, to be handed in again after a failover; 0 = none. Default 16 MiB. */
  submitMemory: Setting.byteSize("SUBMIT_MEMORY", { default: "16 MiB", min: "0 MiB" })
})
export type GatewayConfig = Config.Success<typeof GatewayConfig>

export type AuthMode = "none" | "header" | "jwt"

/**
 * AUTH_MODE: `jwt` (callers send a token, which the gateway verifies; default of a role), `header` (a mesh in front sets
 * X-User-ID and removes what clients send) or `none` (X-User-ID is trusted, without it the caller is a demo user; default of
 * `npm start`). `none` is for this machine alone: on another address than loopback it needs INSECURE_NONE=true.
 */
export const authMode = (options: {
  readonly default: AuthMode
  readonly host: string
}): Config.Config<{
  readonly mode: AuthMode
  /** INSECURE_NONE: allows AUTH_MODE=none on an address that other machines can reach. */
  readonly insecure: boolean
}> =>
  Config.all({
    mode: Setting.oneOf<AuthMode>("AUTH_MODE", { default: options.default, values: ["jwt", "header", "none"] }),
    insecure: Setting.flag("INSECURE_NONE", { default: false }),
    host: Setting.parsed("HOST", {
      default: options.host,
      allowed: "an address of this machine",
      parse: (text) => text
    })
  }).pipe(
    Config.mapEffect(({ host, insecure, mode }) => {
      const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host)
      return mode === "none" && !isLoopback && !insecure
        ? Effect.fail(
            Setting.refuse(
              `AUTH_MODE is "none" while HOST is "${host}": anyone could claim to be any user; set HOST to 127.0.0.1, AUTH_MODE to jwt or header, or INSECURE_NONE=true`
            )
          )
        : Effect.succeed({ mode, insecure })
    })
  )
