/**
 * NameLookup: the IP addresses of a host name that a stranger may have chosen. It asks the name servers itself (c-ares), because
 * the system's resolver holds one of the process's four I/O threads until it gives up, and cannot be cancelled: four names of a
 * silent name server would stop every other look-up of the process, those of its stores and model providers too.
 *   - a look-up holds a socket and no thread; it ends within 5 seconds, and at once when it is interrupted
 *   - one process has at most 128 under way, more than its callers fetch at once by default; the next one waits
 * Order: `localhost` (RFC 6761), /etc/hosts, the name servers. Both files are read again when they have changed. A name is taken
 * as complete, unless the operator wrote it (`search`): then the search list of /etc/resolv.conf applies, as in the system's
 * resolver. Used by GuardedFetch. Decision 0039.
 */
import { Data, Duration, Effect, Fiber, Semaphore } from "effect"
import { readFileSync, statSync } from "node:fs"
import { Resolver } from "node:dns/promises"
import { isIP } from "node:net"
import type { Address } from "./HttpExchange.ts"

/** No address. `code`: ENOTFOUND if the name has none, else why it is not known now, such as `name server: ETIMEOUT`. */
export class NameNotResolved extends Data.TaggedError("NameNotResolved")<{ readonly code: string }> {}

export interface Options {
  /** `address` or `address:port` of name servers (`[::1]:53`); none: those of /etc/resolv.conf. */
  readonly servers?: ReadonlyArray<string>
  readonly hostsFile?: string
  readonly resolverFile?: string
}

/**
 * All addresses of a name, IPv4 first; not empty. Answers are not kept.
 * - `search`: complete the name by the search list
 */
export type NameLookup = (
  name: string,
  options: { readonly search: boolean }
) => Effect.Effect<ReadonlyArray<Address>, NameNotResolved>

export const mostAtOnce = 128
const timeLimit = Duration.seconds(5)
/** The first wait for one server's answer; the next server, or the same again, is asked after it. Doubled each round. */
const tryMillis = 1_000
const tries = 3
/** How long a family's answer is waited for when the other family's addresses are there (RFC 8305, 3). */
const otherFamily = Duration.millis(100)

const loopback: ReadonlyArray<Address> = [
  { address: "127.0.0.1", family: 4 },
  { address: "::1", family: 6 }
]
const isLocalhost = (name: string) => name === "localhost" || name.endsWith(".localhost")

/** A file's value, read again when the file has changed; `none` without the file. Throws when it cannot be read. */
const following = <A>(path: string, none: A, parse: (text: string) => A): (() => A) => {
  let known = { stamp: "", value: none }
  return () => {
    const found = statSync(path, { throwIfNoEntry: false })
    const stamp = found === undefined ? "" : `${found.ino} ${found.mtimeMs} ${found.size}`
    if (stamp !== known.stamp) known = { stamp, value: stamp === "" ? none : parse(readFileSync(path, "utf8")) }
    return known.value
  }
}

const linesOf = (text: string) =>
  text.split("\n").map((line) =>
    line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/)
  )

/** https://man7.org/linux/man-pages/man5/hosts.5.html */
const parseHosts = (text: string): ReadonlyMap<string, ReadonlyArray<Address>> => {
  const found = new Map<string, ReadonlyArray<Address>>()
  for (const [address = "", ...names] of linesOf(text)) {
    const family = isIP(address)
    if (family === 0) continue
    for (const name of names.map((one) => one.toLowerCase())) {
      found.set(name, [...(found.get(name) ?? []), { address, family }])
    }
  }
  return found
}

interface Search {
  readonly domains: ReadonlyArray<string>
  /** A name with this many dots is tried as it is first. */
  readonly ndots: number
}
/** https://man7.org/linux/man-pages/man5/resolv.conf.5.html; the last `search` or `domain` counts. */
const parseSearch = (text: string): Search => {
  let domains: ReadonlyArray<string> = []
  let ndots = 1
  for (const [word, ...values] of linesOf(text)) {
    if (word === "search") domains = values
    if (word === "domain") domains = values.slice(0, 1)
    if (word !== "options") continue
    for (const option of values) ndots = Number(/^ndots:(\d{1,2})$/.exec(option)?.[1] ?? ndots)
  }
  return { domains: domains.map((domain) => domain.replace(/\.$/, "").toLowerCase()).filter(Boolean), ndots }
}

/** The names to ask for, in order. */
const candidatesOf = (name: string, { domains, ndots }: Search): ReadonlyArray<string> => {
  const completed = domains.map((domain) => `${name}.${domain}`)
  return name.split(".").length - 1 >= ndots ? [name, ...completed] : [...completed, name]
}

const codeOf = (cause: unknown) =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "failed"
/** What the name servers say of a name that has no address (of this family), or that cannot be one. */
const isNone = (code: string) => code === "ENOTFOUND" || code === "ENODATA" || code === "EBADNAME"

interface Answer {
  readonly addresses: ReadonlyArray<Address>
  /** Why there are none. */
  readonly code: string
}

/** One name, both families. */
const ask = (name: string, servers: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Address>, NameNotResolved> =>
  Effect.acquireUseRelease(
    // one for each look-up: it is cancelled alone, and knows the present /etc/resolv.conf
    Effect.sync(() => {
      const resolver = new Resolver({ timeout: tryMillis, tries })
      if (servers.length > 0) resolver.setServers(servers)
      return resolver
    }),
    (resolver) =>
      Effect.gen(function* () {
        const of = (family: 4 | 6) =>
          Effect.tryPromise({
            try: () => (family === 4 ? resolver.resolve4(name) : resolver.resolve6(name)),
            catch: codeOf
          }).pipe(
            Effect.match({
              onSuccess: (found): Answer => ({
                addresses: found.map((address) => ({ address, family })),
                code: "ENODATA"
              }),
              onFailure: (code): Answer => ({ addresses: [], code })
            })
          )
        const four = yield* Effect.forkChild(of(4), { startImmediately: true })
        const six = yield* Effect.forkChild(of(6), { startImmediately: true })
        /** Its answer; without it when the other family's addresses are there long enough. */
        const unlessLate = (one: Fiber.Fiber<Answer>, other: Fiber.Fiber<Answer>): Effect.Effect<Answer> =>
          Effect.raceFirst(
            Fiber.join(one),
            Effect.flatMap(Fiber.join(other), ({ addresses }) =>
              addresses.length === 0
                ? Effect.never
                : Effect.as(Effect.sleep(otherFamily), { addresses: [], code: "ETIMEOUT" })
            )
          )
        const answers = yield* Effect.all([unlessLate(four, six), unlessLate(six, four)], { concurrency: 2 })
        const addresses = answers.flatMap((answer) => answer.addresses)
        if (addresses.length > 0) return addresses
        const trouble = answers.find(({ code }) => !isNone(code))
        return yield* new NameNotResolved({
          code: trouble === undefined ? "ENOTFOUND" : `name server: ${trouble.code}`
        })
      }),
    (resolver) => Effect.sync(() => resolver.cancel())
  )

export const make = (options: Options = {}): NameLookup => {
  const { hostsFile = "/etc/hosts", resolverFile = "/etc/resolv.conf", servers = [] } = options
  const places = Semaphore.makeUnsafe(mostAtOnce)
  const hosts = following(hostsFile, new Map<string, ReadonlyArray<Address>>(), parseHosts)
  const searched = following<Search>(resolverFile, { domains: [], ndots: 1 }, parseSearch)

  const askAll = (names: ReadonlyArray<string>) =>
    names
      .map((name) => ask(name, servers))
      .reduce((earlier, later) =>
        Effect.catch(earlier, (error) => (error.code === "ENOTFOUND" ? later : Effect.fail(error)))
      )
  const fromFiles = (name: string, search: boolean) =>
    Effect.try({
      try: () => ({
        listed: hosts().get(name),
        names: search ? candidatesOf(name, searched()) : [name]
      }),
      catch: (cause) => new NameNotResolved({ code: codeOf(cause) })
    })

  return (name, { search }) => {
    if (isLocalhost(name)) return Effect.succeed(loopback)
    return Effect.flatMap(fromFiles(name, search), ({ listed, names }) =>
      listed !== undefined
        ? Effect.succeed(listed)
        : places.withPermits(1)(
            Effect.timeoutOrElse(askAll(names), {
              duration: timeLimit,
              orElse: () => new NameNotResolved({ code: "name server: ETIMEOUT" })
            })
          )
    )
  }
}
