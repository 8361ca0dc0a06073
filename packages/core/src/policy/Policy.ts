/**
 * Policy: the schemas of a mailbox's policy and of a change of it, for those that send and read them. It loads no Redis.
 * Neighbour: Policies, which keeps them and tells every process.
 */
import * as Schema from "effect/Schema"

/** A whole number between two bounds. */
export const whole = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const day = 86_400_000

/**
 * The policy of one mailbox; for a setting left out, environment or code decide.
 * - `capacity`: entries over all partitions, from the next submit or tell on
 * - `timeout_ms`: for attempts of a stage that begin from now on
 * - `attempts`: the number of attempts before giving up; it may exceed the retry schedule
 * - `redrives`: how often a job is parked for a cause that may heal, before it fails; `redrive_ms`: how long each time
 */
export const Policy = Schema.Struct({
  capacity: Schema.optionalKey(whole(1, 10_000_000)),
  timeout_ms: Schema.optionalKey(whole(1, day)),
  attempts: Schema.optionalKey(whole(1, 1_000)),
  redrives: Schema.optionalKey(whole(0, 100)),
  redrive_ms: Schema.optionalKey(whole(1, day))
})
export type Policy = typeof Policy.Type

/** A change of a mailbox's policy: null removes a setting, a setting left out stays as it is. */
export const Change = Schema.Struct({
  capacity: Schema.optionalKey(Schema.NullOr(Policy.fields.capacity.schema)),
  timeout_ms: Schema.optionalKey(Schema.NullOr(Policy.fields.timeout_ms.schema)),
  attempts: Schema.optionalKey(Schema.NullOr(Policy.fields.attempts.schema)),
  redrives: Schema.optionalKey(Schema.NullOr(Policy.fields.redrives.schema)),
  redrive_ms: Schema.optionalKey(Schema.NullOr(Policy.fields.redrive_ms.schema))
})
export type Change = typeof Change.Type
