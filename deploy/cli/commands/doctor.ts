/**
 * `eco2 doctor`: checks everything a deployment depends on and advises what to do about problems. Changes nothing but, with --scrub,
 * jobs. The checks are loaded when they are asked for: they need what most commands do not.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"

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

export const doctor = Command.make("doctor", flags, (asked) =>
  Effect.flatMap(
    Effect.promise(() => import("../doctor/Doctor.ts")),
    ({ examine }) => examine(asked)
  )
).pipe(Command.withDescription("Look at Redis, Postgres, keys and, with --url, at live streams through the proxy"))
