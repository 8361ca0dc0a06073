/** ImageStoreConfig: where uploaded pictures are kept (IMAGE_STORE), and what signs requests to an object storage. */
import { Setting } from "@eco2/core/client"
import { Config, Effect } from "effect"
import type { Redacted } from "effect"

/** A bucket, addressed by path: `<endpoint>/<bucket>/<prefix><key>`. */
interface Bucket {
  /** Without a slash at its end. */
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  /** Empty, or ending with a slash. */
  readonly prefix: string
}
export interface S3 extends Bucket {
  readonly _tag: "S3"
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
}

const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const prefixForm = /^(?:[\w.-]+\/)*$/

const parse = (text: string): Bucket | "redis" | undefined => {
  if (text === "redis") return "redis"
  const url = URL.parse(text)
  if (url?.protocol !== "s3:" || url.username !== "" || url.password !== "" || url.port !== "") return undefined
  const { endpoint, region = "us-east-1", ...others } = Object.fromEntries(url.searchParams)
  const at = endpoint ?? `https://s3.${region}.amazonaws.com`
  const path = decodeURIComponent(url.pathname).replace(/^\//, "")
  const prefix = path === "" || path.endsWith("/") ? path : `${path}/`
  const isGood =
    bucketName.test(url.hostname) &&
    prefixForm.test(prefix) &&
    /^[a-z0-9-]{1,40}$/.test(region) &&
    Setting.isWebUrl(at) &&
    URL.parse(at)?.origin === at &&
    Object.keys(others).length === 0
  return isGood ? { endpoint: at, region, bucket: url.hostname, prefix } : undefined
}

/**
 * IMAGE_STORE: `redis`, or a bucket as `s3://<bucket>/<prefix>?region=…&endpoint=…`, which needs S3_ACCESS_KEY_ID and
 * S3_SECRET_ACCESS_KEY. Default redis.
 */
export const ImageStoreConfig: Config.Config<S3 | "redis"> = Config.all({
  store: Setting.parsed<Bucket | "redis">("IMAGE_STORE", {
    default: "redis",
    allowed: "redis, or s3://bucket/prefix?region=eu-central-1&endpoint=https://minio.example:9000",
    parse
  }),
  /** S3_ACCESS_KEY_ID: whose requests the bucket takes. */
  accessKeyId: Setting.parsed<string | null>("S3_ACCESS_KEY_ID", {
    default: null,
    allowed: "printable ASCII",
    parse: (text) => (/^[\x21-\x7e]{1,255}$/.test(text) ? text : undefined)
  }),
  /** S3_SECRET_ACCESS_KEY: what signs them. */
  secretAccessKey: Config.option(Config.Redacted("S3_SECRET_ACCESS_KEY"))
}).pipe(
  Config.mapEffect(({ accessKeyId, secretAccessKey, store }): Effect.Effect<S3 | "redis", Config.ConfigError> => {
    if (store === "redis") return Effect.succeed(store)
    return accessKeyId === null || secretAccessKey._tag === "None"
      ? Effect.fail(Setting.refuse("IMAGE_STORE names a bucket: set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY too"))
      : Effect.succeed({ _tag: "S3", ...store, accessKeyId, secretAccessKey: secretAccessKey.value })
  })
)
