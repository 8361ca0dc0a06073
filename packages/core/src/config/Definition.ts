/**
 * Definition: checks what code declares (stages, pipelines, actors, schedules, limits, topics, …) at the moment it is declared.
 * A value that can never work is thrown as InvalidDefinition, so that it stops a program at its start and a test at its import,
 * and not a job in production. Setting does the same for environment variables.
 */
import { Duration, Option, Schema } from "effect"

/** A declaration that can never work. Nothing was declared. `field` "" when the declaration as a whole is wrong. */
export class InvalidDefinition extends Schema.TaggedError<InvalidDefinition>()("InvalidDefinition", {
  /** What was declared: `stage "fetch"`. */
  definition: Schema.String,
  field: Schema.String,
  /** The value given, as text. */
  given: Schema.String,
  allowed: Schema.String
}) {
  override get message() {
    return `${this.definition}: ${this.field} is ${this.given}; allowed is ${this.allowed}`
  }
}

const quoted = (value: unknown): string =>
  typeof value === "string"
    ? JSON.stringify(value)
    : Array.isArray(value)
      ? `[${value.map(quoted).join(", ")}]`
      : Duration.isDuration(value)
        ? `"${Duration.format(value)}"`
        : typeof value === "object" && value !== null
          ? JSON.stringify(value)
          : String(value)

/** Throws InvalidDefinition; `allowed` completes "allowed is". */
export const refuse = (definition: string, field: string, given: unknown, allowed: string): never => {
  throw new InvalidDefinition({ definition, field, given: quoted(given), allowed })
}

/** The longest name: names are parts of keys, fences and metric labels. */
const mostLetters = 100

/** A name for keys, mailboxes and fences: lower-case letters, digits, hyphens. `kind`: what it names, such as `stage`. */
export const word = <Name extends string>(kind: string, name: Name): Name =>
  /^[a-z0-9][a-z0-9-]*$/.test(name) && name.length <= mostLetters
    ? name
    : refuse(`${kind} ${quoted(name)}`, "its name", name, `a word of a-z, 0-9 and -, of at most ${mostLetters} letters`)

/** Words with dots between them. */
export const words = <Name extends string>(kind: string, name: Name): Name =>
  /^[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)*$/.test(name) && name.length <= mostLetters
    ? name
    : refuse(
        `${kind} ${quoted(name)}`,
        "its name",
        name,
        `words of a-z, 0-9 and - with dots between them, of at most ${mostLetters} letters`
      )

/** A name of a limit, a breaker or a message, such as a model's name: also capitals and `.`, `_`, `:`, `/`. */
export const title = <Name extends string>(kind: string, name: Name): Name =>
  /^[A-Za-z0-9][A-Za-z0-9._:/-]*$/.test(name) && name.length <= mostLetters
    ? name
    : refuse(
        `${kind} ${quoted(name)}`,
        "its name",
        name,
        `letters, digits and . _ : / -, at most ${mostLetters}, a letter or digit first`
      )

/** A whole number within bounds, both included. */
export const integer = (
  definition: string,
  field: string,
  value: number,
  { max, min }: { readonly min: number; readonly max: number }
): number =>
  Number.isInteger(value) && value >= min && value <= max
    ? value
    : refuse(definition, field, value, `a whole number from ${min} to ${max}`)

/** The longest duration: longer ones exceed what a timer of the process can hold. */
const longest = "24 days"

/** A finite duration within bounds, both included; `min` by default 1 ms, `max` 24 days. */
export const duration = (
  definition: string,
  field: string,
  input: Duration.Input,
  {
    max = longest,
    min = "1 milli"
  }: { readonly min?: `${number} ${Duration.Unit}`; readonly max?: `${number} ${Duration.Unit}` } = {}
): Duration.Duration => {
  // what is no duration at all may throw here
  const parsed = Option.getOrUndefined(
    Option.filter(typeof input === "number" && Number.isNaN(input) ? Option.none() : Duration.fromInput(input), (one) =>
      Duration.isFinite(one)
    )
  )
  return parsed !== undefined &&
    !Duration.isLessThan(parsed, Duration.fromInputUnsafe(min)) &&
    !Duration.isGreaterThan(parsed, Duration.fromInputUnsafe(max))
    ? parsed
    : refuse(definition, field, input, `a duration of at least ${min} and at most ${max}`)
}
