/**
 * Choice: the flags by which commands choose many jobs or letters, the question before a change of many, and how far a long change
 * has come. Neighbours: Output (what is printed), Operator (the calls; each changes a bounded number).
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import { text as streamText } from "node:stream/consumers"
import { fail } from "./CommandFailed.ts"
import type { CommandFailed } from "./CommandFailed.ts"
import { Operator } from "./Operator.ts"
import { say } from "./Output.ts"

/** The most that one call of the gateway changes. */
export const step = 500

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** Milliseconds of "90", "90 seconds", or as durations are printed: "2h", "1m 30s"; undefined: no such duration. */
export const millis = (text: string): number | undefined => {
  if (/^(\d+(ms|[smhd])\s*)+$/.test(text)) {
    return [...text.matchAll(/(\d+)(ms|[smhd])/g)].reduce(
      (sum, [, count, unit]) => sum + Number(count) * units[unit!]!,
      0
    )
  }
  const duration = /^\d+$/.test(text)
    ? Duration.seconds(Number(text))
    : Option.getOrUndefined(Duration.fromInput(text as Duration.Input))
  return duration === undefined || !Duration.isFinite(duration) ? undefined : Math.round(Duration.toMillis(duration))
}

const text = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)
/** How long ago, such as 90s, 10m, 2h or "2 days". */
const ago = (name: string, description: string) =>
  text(name, `${description}: 90s, 10m, 2h, 3d`).pipe(
    Flag.filter(
      (given) => Option.isNone(given) || millis(given.value) !== undefined,
      () => `--${name} takes a duration such as 10m or "2 hours"`
    ),
    Flag.map(Option.map((given) => millis(given) ?? 0))
  )

/** Flags of jobs alone. */
export const jobFlags = {
  id: Flag.String("id").pipe(
    Flag.withDescription("Only jobs whose id begins with this"),
    Flag.filter(
      (given) => /^[0-9a-f-]{1,36}$/.test(given),
      () => "--id takes the beginning of a job's id"
    ),
    Flag.optional
  ),
  tag: text("tag", "Only with this tag, such as model:gpt-5"),
  model: text("model", "Only for this model")
}

/** Flags of both jobs and letters. */
export const flags = {
  pipeline: text("pipeline", "Only of this pipeline"),
  stage: text("stage", "Only of this stage"),
  owner: text("owner", "Only of this user"),
  cause: text("cause", "Only for this cause, an error's name"),
  age: ago("age", "Only what is at least this old"),
  since: ago("since", "Only what is not older than this")
}
export interface Chosen {
  readonly pipeline: Option.Option<string>
  readonly stage: Option.Option<string>
  readonly owner: Option.Option<string>
  readonly cause: Option.Option<string>
  /** Milliseconds, as `since`. */
  readonly age: Option.Option<number>
  readonly since: Option.Option<number>
}

export const most = Flag.Int("limit").pipe(
  Flag.withDescription("How many at most; by default all"),
  Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
  Flag.optional
)
export const all = Flag.Boolean("all").pipe(Flag.withDescription("All of them"), Flag.withDefault(false))
export const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Count what is chosen, and change nothing"),
  Flag.withDefault(false)
)
export const yes = Flag.Boolean("yes").pipe(Flag.withDescription("Do not ask before"), Flag.withDefault(false))

export const isAny = ({ age, cause, owner, pipeline, since, stage }: Chosen): boolean =>
  [age, cause, owner, pipeline, since, stage].some(({ _tag }) => _tag === "Some")

const known = <A>(name: string, value: Option.Option<A>) => (Option.isSome(value) ? { [name]: value.value } : {})

/** As the gateway's calls take it, but pipeline and stage, which are a letter's mailbox and a job's own. */
export const queryOf = ({ age, cause, owner, since }: Chosen, now: number) => ({
  ...(Option.isSome(cause) ? { cause: cause.value } : {}),
  ...(Option.isSome(owner) ? { owner: owner.value } : {}),
  // longer ago than the epoch is as long as there has been anything
  ...(Option.isSome(age) ? { until: Math.max(0, now - age.value) } : {}),
  ...(Option.isSome(since) ? { since: Math.max(0, now - since.value) } : {})
})
export const placeOf = ({ pipeline, stage }: Chosen): { readonly pipeline?: string; readonly stage?: string } => ({
  ...known("pipeline", pipeline),
  ...known("stage", stage)
})

export const jobQueryOf = ({
  id,
  model,
  tag
}: {
  readonly id: Option.Option<string>
  readonly tag: Option.Option<string>
  readonly model: Option.Option<string>
}): { readonly id?: string; readonly tag?: string; readonly model?: string } => ({
  ...known("id", id),
  ...known("tag", tag),
  ...known("model", model)
})

/** Asks a person; a program must have said --yes. */
export const confirm = Effect.fnUntraced(function* (question: string, isSure: boolean) {
  if (isSure) return
  if (!process.stdin.isTTY) {
    return yield* fail("usage", `${question} Say --yes to do it, or --dry-run to count only`)
  }
  const terminal = yield* Effect.promise(() => import("@effect/platform-node/NodeTerminal"))
  const agreed = yield* Prompt.run(Prompt.Confirm({ message: question })).pipe(
    Effect.orElseSucceed(() => false),
    Effect.provide(terminal.layer)
  )
  if (!agreed) return yield* fail("failed", "nothing was changed")
})

/** Ids that are given as "-" come from standard input: lines, or the JSON that the list of them prints. */
export const namesOf = (given: ReadonlyArray<string>, field: "letter" | "job_id") =>
  given.length === 1 && given[0] === "-"
    ? Effect.flatMap(
        Effect.promise(() => streamText(process.stdin)),
        (input) => Effect.mapError(namesIn(input, field), () => fail("usage", `standard input has no ${field}`))
      )
    : Effect.succeed(given)

/** Of many that are named, one that is not there holds up none of the others: null stands for it. One alone that is not there fails. */
export const unlessGone =
  (named: ReadonlyArray<unknown>) =>
  <A, R>(act: Effect.Effect<A, CommandFailed, R>): Effect.Effect<A | null, CommandFailed, R> =>
    Effect.catchIf(
      act,
      ({ exit }) => exit === "notFound" && named.length > 1,
      () => Effect.succeed(null)
    )

const Listed = Schema.Array(Schema.Union([Schema.String, Schema.Record(Schema.String, Schema.Unknown)]))
const decodeListed = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Union([Listed, Schema.Struct({ jobs: Listed })]))
)
/** The names in the output of a list, or in lines. */
export const namesIn = (input: string, field: string): Effect.Effect<ReadonlyArray<string>, unknown> => {
  const words = input.trim()
  if (!/^[[{]/.test(words)) return Effect.succeed(words.split(/\s+/).filter((word) => word !== ""))
  return Effect.flatMap(decodeListed(words), (listed) =>
    Effect.forEach("jobs" in listed ? listed.jobs : listed, (one) => {
      const name = typeof one === "string" ? one : one[field]
      return typeof name === "string" ? Effect.succeed(name) : Effect.fail(null)
    })
  )
}

/** Tells a person how far a change of many has come, and anybody how far it came when it was broken off. */
export const progress = (done: () => string) => {
  const isShown = process.stderr.isTTY === true
  return {
    shown: Effect.sync(() => {
      if (isShown) process.stderr.write(`\r${done()} `)
    }),
    over: Effect.sync(() => {
      if (isShown) process.stderr.write("\n")
    }),
    brokenOff: Effect.suspend(() => say(`broken off after ${done()}; the same command goes on with the rest`))
  }
}

/**
 * A cause that no letter and no job has: what is wrong with it, with those that there are; undefined for a cause that something has.
 * For a command that found nothing.
 */
const unknownCause = Effect.fnUntraced(function* (cause: Option.Option<string>) {
  if (Option.isNone(cause)) return undefined
  const operator = yield* Operator
  const [{ groups }, open, ended] = yield* Effect.all([
    operator.ask(({ console }) => console.groups({})),
    operator.ask(({ ops }) => ops.countJobs({ query: { state: "open" } })),
    operator.ask(({ ops }) => ops.countJobs({ query: { state: "failed" } }))
  ])
  const causes = new Set([
    ...groups.map((group) => group.cause),
    ...Object.keys(open.causes),
    ...Object.keys(ended.causes)
  ])
  const plain = (name: string) => name.replaceAll(/[^A-Za-z0-9]/g, "").toLowerCase()
  if ([...causes].some((name) => plain(name) === plain(cause.value))) return undefined
  const known = [...causes].toSorted().join(", ")
  return `nothing has the cause "${cause.value}"; ${known === "" ? "there is none at all" : `there are ${known}`}`
})

/** For lists: who asks for a cause that nothing has slipped with the pen. */
export const checkCause = (cause: Option.Option<string>) =>
  Effect.flatMap(unknownCause(cause), (wrong) =>
    wrong === undefined ? Effect.void : Effect.fail(fail("notFound", wrong))
  )

/** For changes: nothing of the cause is left, as after the same command before. It is done, and said. */
export const noteCause = (cause: Option.Option<string>) =>
  Effect.flatMap(unknownCause(cause), (wrong) => (wrong === undefined ? Effect.void : say(wrong)))
