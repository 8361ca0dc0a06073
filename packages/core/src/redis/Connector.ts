/**
 * Connector: opens the sockets of connections. It reads what a server says that refuses a connection before any command, which
 * the driver loses, and with Sentinels it goes to the master that SentinelWatch knows.
 * Made for the driver's option `Connector`, which makes one for each connection.
 */
import { AbstractConnector, SentinelConnector } from "ioredis"
import type { RedisOptions, SentinelConnectionOptions } from "ioredis"
import { connect as connectTcp, isIP } from "node:net"
import type { Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import type { ConnectionOptions } from "node:tls"
import * as TlsFiles from "../config/TlsFiles.ts"

/** Receives the words of a server that refuses the connection, and its `host:port`. */
export type Turned = (words: string, server: string) => void
export type Constructor = NonNullable<RedisOptions["Connector"]>
export interface Address {
  readonly host: string
  readonly port: number
}

/** What a server says first when it refuses a connection itself: protected mode, its limit of clients. */
const turnedAway = /^-((?:DENIED|ERR max number of clients) ?[^\r\n]*)/

/**
 * Opens a socket. The driver's first commands leave in one write: a server that refuses the connection closes it at once, and a
 * second write would fail before the server's words are read.
 */
const open = ({ host, port }: Address, tls: ConnectionOptions | undefined, turned: Turned): Socket => {
  const socket = tls === undefined ? connectTcp({ host, port }) : connectTls({ port, ...TlsFiles.of(tls, host) })
  return watch(socket, tls !== undefined, (words) => turned(words, `${host}:${port}`))
}
const watch = (socket: Socket, isTls: boolean, turned: (words: string) => void): Socket =>
  // before the driver's own listener
  socket.once(isTls ? "secureConnect" : "connect", () => {
    socket.cork()
    process.nextTick(() => socket.uncork())
    socket.once("data", (piece: Buffer) => {
      const words = turnedAway.exec(piece.toString("latin1", 0, 400))?.[1]
      if (words !== undefined) turned(words)
    })
  })

type Options = Partial<Address> & { readonly tls?: ConnectionOptions; readonly disconnectTimeout: number }

/** To the server that the options name. */
export const direct = (turned: Turned): Constructor =>
  class extends AbstractConnector {
    readonly #to: Options
    constructor(to: unknown) {
      super((to as Options).disconnectTimeout)
      this.#to = to as Options
    }
    connect(): Promise<Socket> {
      const { host = "127.0.0.1", port = 6379, tls } = this.#to
      this.connecting = true
      const socket = open({ host, port }, tls, turned)
      socket.once("error", (error) => {
        this.firstError = error
      })
      this.stream = socket
      return Promise.resolve(socket)
    }
  }

/** To a Sentinel. One that refuses is passed over for another; whoever needs the master reports that none answers. */
export const toSentinel: Constructor = direct(() => undefined)

type Resolved = (Address & { readonly servername?: string }) | null
/**
 * What the driver does to find a master, for which it takes no option: `toSentinel` in place of its own sockets, which do not
 * name the server that they mean (SNI), and the name of the master that a Sentinel tells of.
 */
const named = (connector: SentinelConnector, isTls: boolean): void => {
  const [ask, resolve]: ReadonlyArray<unknown> = ["connectToSentinel", "resolve"].map((name) =>
    Reflect.get(connector, name)
  )
  if (typeof ask !== "function" || typeof resolve !== "function")
    throw new Error("the driver lacks connectToSentinel or resolve")
  Reflect.set(connector, "connectToSentinel", (at: unknown, options: object = {}) =>
    ask.call(connector, at, { ...options, Connector: toSentinel })
  )
  Reflect.set(connector, "resolve", async (at: unknown): Promise<Resolved> => {
    const master: Resolved = await resolve.call(connector, at)
    return master === null || !isTls || isIP(master.host) !== 0 ? master : { ...master, servername: master.host }
  })
}

/** To the master that is known now (`master`); while none is, to the one that the driver finds. */
export const bySentinel = (turned: Turned, master: () => Address | null): Constructor =>
  class extends SentinelConnector {
    constructor(to: unknown) {
      super(to as SentinelConnectionOptions)
      named(this, this.options.enableTLSForSentinelMode === true)
    }
    override async connect(emit: Parameters<SentinelConnector["connect"]>[0]): Promise<Socket> {
      const tls = this.options.enableTLSForSentinelMode === true ? this.options.tls : undefined
      const known = master()
      if (known === null)
        return watch((await super.connect(emit)) as Socket, tls !== undefined, (words) => turned(words, ""))
      this.connecting = true
      const socket = open(known, tls, turned)
      socket.once("error", (error) => {
        this.firstError = error
      })
      this.stream = socket
      return socket
    }
  }
