/**
 * TlsFiles: the authority and the client certificate of a connection over TLS, as files. They are checked at start, where a
 * file that cannot be used stops the process, and read again at every connect, so that a renewed certificate needs no restart.
 * Used by the settings of Redis and of Postgres.
 */
import { Effect } from "effect"
import type { Config } from "effect"
import { readFileSync } from "node:fs"
import { isIP } from "node:net"
import { createSecureContext } from "node:tls"
import type { ConnectionOptions } from "node:tls"
import * as Setting from "./Setting.ts"

/** Paths of PEM files; "": none. */
export interface Paths {
  /** The authorities to trust, in place of the system's. */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

const parts = ["ca", "cert", "key"] as const

/** Options of `tls.connect`: those of set files, which are read when they are used. */
export type Options = Pick<ConnectionOptions, (typeof parts)[number]>

/** A file whose text is read at every use; while it cannot be read, its last text counts. */
const lastText = (path: string, first: string) => {
  let text = first
  return () => {
    try {
      text = readFileSync(path, "utf8")
    } catch {
      // it is being replaced, or is gone for now: what connected before will do, or the server says why not
    }
    return text
  }
}

/** - `names`: the variable of each path, for the errors */
export const open = Effect.fnUntraced(function* (
  paths: Paths,
  names: Paths
): Effect.fn.Return<Options, Config.ConfigError> {
  if ((paths.cert === "") !== (paths.key === ""))
    return yield* Setting.refused(`${names.cert} and ${names.key} belong together; set both or none`)
  const first: Partial<Record<(typeof parts)[number], string>> = {}
  const options: Options = {}
  for (const part of parts.filter((name) => paths[name] !== "")) {
    const path = paths[part]
    const text = yield* Effect.try({
      try: () => readFileSync(path, "utf8"),
      catch: (error) => Setting.refuse(`${names[part]} cannot be read: ${String(error)}`)
    })
    first[part] = text
    Object.defineProperty(options, part, { enumerable: true, get: lastText(path, text) })
  }
  const set = parts.filter((part) => first[part] !== undefined).map((part) => names[part])
  yield* Effect.try({
    try: () => createSecureContext(first),
    catch: (error) => Setting.refuse(`${set.join(", ")} cannot be used for TLS: ${String(error)}`)
  })
  return options
})

/** The same options for this server: its certificate must be of `host`. A name is asked for (SNI); an address is no name. */
export const of = (options: ConnectionOptions, host: string): ConnectionOptions =>
  Object.defineProperties(
    isIP(host) === 0 ? { host, servername: host } : { host },
    Object.getOwnPropertyDescriptors(options)
  )

/** Whether any file is set. */
export const isSet = (paths: Paths): boolean => parts.some((part) => paths[part] !== "")
