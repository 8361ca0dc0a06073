/**
 * Cli: the command line as one effect whose result is the exit code. Each command is a file under commands/; they share
 * Operator (the calls), Output (tables and JSON) and CommandFailed (messages and exit codes).
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { breakers } from "./commands/breakers.ts"
import { characters } from "./commands/characters.ts"
import { dead } from "./commands/dead.ts"
import { doctor } from "./commands/doctor.ts"
import { feedback } from "./commands/feedback.ts"
import { jobs } from "./commands/jobs.ts"
import { limits } from "./commands/limits.ts"
import { mailboxes } from "./commands/mailboxes.ts"
import { migrate } from "./commands/migrate.ts"
import { news } from "./commands/news.ts"
import { policy } from "./commands/policy.ts"
import { processes } from "./commands/processes.ts"
import { schedules } from "./commands/schedules.ts"
import { topics } from "./commands/topics.ts"
import { exitCodes } from "./CommandFailed.ts"
import { Operator } from "./Operator.ts"
import { Json, say, Wide } from "./Output.ts"
import * as Services from "./Services.ts"
import { version } from "./Version.ts"

const eco2 = Command.make("eco2").pipe(
  Command.withDescription(
    "Eco² for operators; exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 refused, 5 unreachable, 130 interrupted"
  ),
  Command.withSubcommands([
    jobs,
    dead,
    mailboxes,
    processes,
    schedules,
    policy,
    limits,
    feedback,
    breakers,
    topics,
    news,
    characters,
    migrate,
    doctor
  ]),
  Command.withGlobalFlags([Json, Wide])
)
const runWords = Command.runWith(eco2, { version })

/** Writes usage errors to standard error, so that standard output has only what was asked for. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation" || (event._tag === "Help" && event.reason === "Implicit")
      ? Effect.gen(function* () {
          const formatter = yield* CliOutput.Formatter
          yield* Console.error(formatter.formatHelpDoc(event.helpDoc))
          if (event._tag === "InvalidInvocation") yield* Console.error(formatter.formatErrors(event.errors))
        })
      : CliOutput.defaultPresenter.present(event)
})

const services = Layer.mergeAll(
  Operator.layer,
  presenter,
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
  Services.layer
)

/** Runs the command line after `eco2`; errors are on standard error. */
export const run = (words: ReadonlyArray<string>): Effect.Effect<number> =>
  runWords(words).pipe(
    Effect.as<number>(exitCodes.ok),
    Effect.catch((error) =>
      // the presenter has already shown it
      CliError.isCliError(error)
        ? Effect.succeed(exitCodes.usage)
        : Effect.as(say(error.message), exitCodes[error.exit])
    ),
    Effect.provide(services)
  )
