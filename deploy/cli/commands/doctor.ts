/** `eco2 doctor`: checks everything a deployment depends on and advises what to do about problems. Changes nothing but, with --scrub, jobs. */
import { CoreConfig, Setting } from "@eco2/core/client"
import { Config, Effect, Layer, Option, References } from "effect"
import { Command, Flag } from "effect/cli"
import { fail } from "../CommandFailed.ts"
import * as DataDoctor from "../doctor/DataDoctor.ts"
import * as JobDoctor from "../doctor/JobDoctor.ts"
import * as MailboxDoctor from "../doctor/MailboxDoctor.ts"
import * as ModelDoctor from "../doctor/ModelDoctor.ts"
import * as PostgresDoctor from "../doctor/PostgresDoctor.ts"
import * as ProviderDoctor from "../doctor/ProviderDoctor.ts"
import * as RedisDoctor from "../doctor/RedisDoctor.ts"
import * as StreamDoctor from "../doctor/StreamDoctor.ts"
import { lines } from "../doctor/Finding.ts"
import { print } from "../Output.ts"

const flags = {
  probe: Flag.Boolean("probe").pipe(
    Flag.withDescription(
      "Try the providers' keys with calls that cost nothing, and ask each offered model one small question: a paid call for each"
    ),
    Flag.withDefault(false)
  ),
  scrub: Flag.Boolean("scrub").pipe(
    Flag.withDescription(
      "Look at every job, and put back those that nothing in Redis stands for; takes a lease or two"
    ),
    Flag.withDefault(false)
  ),
  url: Flag.String("url").pipe(
    Flag.withDescription("The address that browsers use, proxies included: tries a live stream there"),
    Flag.optional
  ),
  token: Flag.String("token").pipe(
    Flag.withDescription("A user's token for --url; by default one is made with JWT_SECRET, if that is set"),
    Flag.optional
  ),
  model: Flag.String("model").pipe(
    Flag.withDescription("The model of the scan that --url submits; a hosted model costs a call"),
    Flag.withDefault("simulated")
  ),
  job: Flag.String("job").pipe(
    Flag.withDescription("Watch this running job at --url, and submit no scan"),
    Flag.optional
  )
}

/** No log: the findings report everything. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

export const doctor = Command.make("doctor", flags, ({ job, model, probe, scrub, token, url }) =>
  Effect.gen(function* () {
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
).pipe(Command.withDescription("Look at Redis, Postgres, keys and, with --url, at live streams through the proxy"))
