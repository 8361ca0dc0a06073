/**
 * Doctor: runs all checks of `eco2 doctor` at once and prints what they found. Changes nothing but, with `scrub`, jobs.
 * Beside a running `npm start` it looks at its private Redis, and takes its defaults (LocalEnvironment); settings that are set win.
 */
import { CoreConfig, Setting } from "@eco2/core/client"
import { Config, ConfigProvider, Effect, Layer, Option, References } from "effect"
import { FetchHttpClient } from "effect/http"
import * as LocalEnvironment from "../../local/LocalEnvironment.ts"
import * as OperatorAccess from "../../local/OperatorAccess.ts"
import { fail } from "../CommandFailed.ts"
import { print } from "../Output.ts"
import * as DataDoctor from "./DataDoctor.ts"
import { lines } from "./Finding.ts"
import * as JobDoctor from "./JobDoctor.ts"
import * as MailboxDoctor from "./MailboxDoctor.ts"
import * as ModelDoctor from "./ModelDoctor.ts"
import * as PostgresDoctor from "./PostgresDoctor.ts"
import * as ProviderDoctor from "./ProviderDoctor.ts"
import * as RedisDoctor from "./RedisDoctor.ts"
import * as StreamDoctor from "./StreamDoctor.ts"

export interface Asked {
  readonly probe: boolean
  readonly scrub: boolean
  readonly url: Option.Option<string>
  readonly token: Option.Option<string>
  readonly model: string
  readonly job: Option.Option<string>
}

/** No log: the findings report everything. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const given = Config.all({
  redis: Config.option(Config.String("REDIS_URL")),
  /** ECO2_STATE: the state folder of `npm start`. */
  state: Config.option(Config.String("ECO2_STATE"))
})
/** What a running `npm start` has set for itself; nothing where REDIS_URL is set, or there is no such start. */
const beside = Effect.gen(function* () {
  const { redis, state } = yield* Effect.orDie(given)
  if (Option.exists(redis, (text) => text !== "")) return {}
  const folder = Option.getOrElse(state, () => "") || OperatorAccess.defaultFolder
  // a file that cannot be read is no start; the gateway's commands say why
  const access = yield* Effect.orElseSucceed(
    Effect.try(() => OperatorAccess.read(folder)),
    () => null
  )
  return access?.redis === undefined ? {} : { ...LocalEnvironment.defaults(process.env), REDIS_URL: access.redis }
})

/** The checks, with the defaults of an `npm start` for what is not set. */
export const examine = Effect.fnUntraced(function* (asked: Asked) {
  const defaults = ConfigProvider.fromEnv({ env: yield* beside })
  const set = yield* ConfigProvider.ConfigProvider
  return yield* examineAll(asked).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.orElse(defaults, set)),
    Effect.provide(FetchHttpClient.layer)
  )
})

const examineAll = Effect.fnUntraced(function* ({ job, model, probe, scrub, token, url }: Asked) {
  if (Option.isSome(url) && !(URL.canParse(url.value) && /^https?:$/.test(new URL(url.value).protocol))) {
    return yield* fail("usage", `--url is "${Setting.shown(url.value)}"; allowed is an http or https URL`)
  }
  const wrongSetting = (error: Config.ConfigError) => fail("usage", error.cause.message)
  const { partitions } = yield* CoreConfig.pipe(
    Effect.provide(Layer.fresh(CoreConfig.layer)),
    Effect.mapError(wrongSetting)
  )
  const parts = [
    RedisDoctor.examine(partitions),
    MailboxDoctor.examine,
    ...(scrub ? [JobDoctor.examine] : []),
    PostgresDoctor.examine,
    DataDoctor.examine,
    ProviderDoctor.examine(probe),
    ModelDoctor.examine(probe),
    ...Option.match(url, {
      onNone: () => [],
      onSome: (text) => [
        StreamDoctor.examine({ url: new URL(text), token, model, job }).pipe(Effect.mapError(wrongSetting))
      ]
    })
  ]
  const findings = (yield* Effect.all(parts, { concurrency: "unbounded" }).pipe(quietly)).flat()
  const wrong = findings.filter(({ level }) => level === "fail").length
  yield* print({ findings }, () => lines(findings))
  if (wrong > 0) return yield* fail("failed", `${wrong} of ${findings.length} checks failed`)
})
