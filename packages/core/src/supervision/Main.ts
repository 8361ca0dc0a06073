/**
 * Main: runs an effect as a process that stops in order. SIGTERM or SIGINT interrupts it, and the process ends when its scopes
 * are closed: a worker's scope finishes or hands back its running work (Shutdown, A5). `Effect.runPromise` does not listen to
 * signals: it would die with calls under way, which are then made again.
 * Used by Worker.run, Client.run and Role.run.
 */
import { Cause, Config, Effect, Exit, Predicate, Runtime } from "effect"

/**
 * A signal at least this long after the first one ends the process at once. Terminal and npm may both send the first, and a busy
 * machine delivers the second late.
 */
const impatienceMillis = 3_000

const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
  let first: number | undefined
  const onSignal = () => {
    if (first === undefined) {
      first = performance.now()
      fiber.interruptUnsafe(fiber.id)
    } else if (performance.now() - first > impatienceMillis) {
      // other processes take its entries over after its lease
      process.exit(1)
    }
  }
  fiber.addObserver((exit) => {
    process.removeListener("SIGTERM", onSignal)
    process.removeListener("SIGINT", onSignal)
    teardown(exit, (code) => {
      if (first !== undefined || code !== 0) process.exit(code)
    })
  })
  process.on("SIGTERM", onSignal)
  process.on("SIGINT", onSignal)
})

/**
 * Runs until the effect ends, or until SIGTERM or SIGINT; a second signal ends the process at once. Exit code 0 after success or
 * an orderly stop, 1 after a failure, which the effect has to report itself (`reported`).
 */
export const run = <A, E>(effect: Effect.Effect<A, E>): void =>
  runMain(effect, {
    disableErrorReporting: true,
    teardown: (exit, done) => done(Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause) ? 1 : 0)
  })

/** One line an operator can act on. */
const explain = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (error instanceof Config.ConfigError) return error.cause.message
  // for a server that cannot listen, only the cause has the reason
  const told = [error, Predicate.hasProperty(error, "cause") ? error.cause : undefined]
  const words = told.map((said) => (Predicate.hasProperty(said, "message") ? String(said.message) : ""))
  return words.find((text) => text !== "") ?? String(error)
}

/** Logs why it failed, in one line; an interruption is no failure. `name`: what failed. */
export const reported = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.tapCause(effect, (cause) =>
    Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logFatal(`${name} cannot go on: ${explain(cause)}`)
  )
