/** The settings of the way to Redis: passwords of Redis and of Sentinels, files of TLS; what has no effect is refused. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { RedisClient, RedisSettings } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import { ConfigProvider, Context, Effect, Layer, References, Result } from "effect"
import { TestClock } from "effect/testing"
import { Redis } from "ioredis"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Duplex } from "node:stream"
import { createServer } from "node:tls"
import * as Certificates from "../../harness/Certificates.ts"
import * as RedisCluster from "../RedisCluster.ts"
import * as RedisSentinel from "../RedisSentinel.ts"
import { until } from "../Until.ts"

type Environment = Readonly<Record<string, string>>
const under = (env: Environment) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
const quietly = Effect.provideService(References.MinimumLogLevel, "None")
/** A client with these settings. */
const clientOf = (env: Environment) =>
  Layer.build(Layer.fresh(RedisClient.layer)).pipe(
    Effect.map((context) => Context.get(context, RedisClient.RedisClient)),
    under(env),
    quietly
  )
const refusalOf = (env: Environment) =>
  Effect.map(Effect.flip(RedisSettings.fromSettings.pipe(under(env))), (error) => String(error.cause ?? error.message))
/** A server with a port of ours among its arguments; another one if it, or its bus port beside it, was taken meanwhile. */
const onFreePort = (args: (port: number) => ReadonlyArray<string>) =>
  Effect.promise(() => RedisServer.freePort()).pipe(
    Effect.flatMap((port) => Effect.map(RedisServer.scoped({ args: args(port) }), (server) => ({ port, server }))),
    Effect.retry({ times: 5 })
  )
const outsideOf = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Redis(url)),
    (redis) => Effect.sync(() => redis.disconnect())
  )

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "eco2-settings-"))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe("settings that contradict each other", () => {
  it.effect("a setting of Redis that cannot be used, or contradicts another, is refused by its name", () =>
    Effect.gen(function* () {
      const file = join(folder, "present")
      writeFileSync(file, "secret")
      const sentinel = "redis+sentinel://h?name=m"
      for (const [env, said] of [
        [{ REDIS_PASSWORD_FILE: file, REDIS_PASSWORD: "b" }, /REDIS_PASSWORD_FILE and a second password/],
        [{ REDIS_PASSWORD_FILE: file, REDIS_URL: "redis://:b@h" }, /REDIS_PASSWORD_FILE and a second password/],
        [{ REDIS_PASSWORD_FILE: join(folder, "gone") }, /REDIS_PASSWORD_FILE cannot be used: .*ENOENT/],
        [{ REDIS_SENTINEL_USERNAME: "a", REDIS_URL: sentinel }, /REDIS_SENTINEL_USERNAME is set without/],
        [{ REDIS_CA_FILE: file }, /REDIS_URL is not over TLS/],
        [{ REDIS_CERT_FILE: file, REDIS_URL: "rediss://h" }, /REDIS_CERT_FILE and REDIS_KEY_FILE belong together/],
        [{ REDIS_CA_FILE: join(folder, "gone"), REDIS_URL: "rediss://h" }, /REDIS_CA_FILE cannot be read: .*ENOENT/]
      ] as const) {
        expect(yield* refusalOf(env)).toMatch(said)
      }
    })
  )
})

describe("Sentinels with a password", () => {
  it.live("Sentinels that ask for user and password get them, and the master gets its own", () =>
    Effect.gen(function* () {
      const master = yield* RedisServer.scoped({ args: ["--requirepass", "of the master"] })
      const { sentinel, url } = yield* RedisSentinel.watching(master.port)
      const outside = yield* outsideOf(sentinel)
      for (const words of [
        ["SENTINEL", "SET", "main", "auth-pass", "of the master"],
        ["ACL", "SETUSER", "watcher", "on", ">of the sentinels", "&*", "+@all"],
        ["ACL", "SETUSER", "default", "off"]
      ])
        yield* Effect.promise(() => outside.call(words[0]!, ...words.slice(1)))
      const env = {
        REDIS_URL: url,
        REDIS_PASSWORD: "of the master",
        REDIS_SENTINEL_USERNAME: "watcher",
        REDIS_SENTINEL_PASSWORD: "of the sentinels"
      }
      const client = yield* clientOf(env)
      expect(yield* client.send("PING")).toBe("PONG")
      const reader = yield* client.reader("stream")
      expect(yield* reader.read(10, "XREAD", "BLOCK", 10, "STREAMS", "stream", "0")).toBe(null)
      const { REDIS_SENTINEL_PASSWORD: _, REDIS_SENTINEL_USERNAME: __, ...without } = env
      const lost = yield* clientOf(without)
      yield* until(Effect.sync(lost.trouble), (trouble) => trouble !== null)
    })
  )
})

describe("REDIS_PASSWORD_FILE", () => {
  /** A server whose user eco2 has the first of two passwords, and a file with it. */
  const rotating = Effect.gen(function* () {
    const { port, url } = yield* RedisServer.scoped()
    const outside = yield* outsideOf(url)
    const tell = (...words: ReadonlyArray<string>) =>
      Effect.promise(() => outside.call("ACL", "SETUSER", "eco2", ...words))
    yield* tell("on", ">first", "~*", "&*", "+@all")
    const file = join(folder, `password-${port}`)
    writeFileSync(file, "first\n")
    const client = yield* clientOf({ REDIS_URL: `redis://eco2@127.0.0.1:${port}`, REDIS_PASSWORD_FILE: file })
    const reader = yield* client.reader("stream")
    const ask = Effect.andThen(client.send("PING"), reader.read(10, "XREAD", "BLOCK", 10, "STREAMS", "stream", "0"))
    const logins = Effect.promise(async () =>
      Number(/cmdstat_auth:calls=(\d+)/.exec(await outside.info("commandstats"))?.[1] ?? 0)
    )
    yield* ask
    return { client, outside, tell, file, ask, logins }
  })

  it.live("a connection that is made after the password in the file changed presents the new one", () =>
    Effect.gen(function* () {
      const { ask, file, outside, tell } = yield* rotating
      yield* tell(">second", "<first")
      writeFileSync(file, "second")
      yield* Effect.promise(() => outside.call("CLIENT", "KILL", "USER", "eco2"))
      yield* until(Effect.exit(quietly(ask)), (exit) => exit._tag === "Success")
    })
  )

  it.effect("a Cluster's connections, made after the password in the file changed, present the new one", () =>
    Effect.gen(function* () {
      const { servers, url } = yield* TestClock.withLive(RedisCluster.start())
      const admins = yield* Effect.forEach(servers, (server) => outsideOf(server.url))
      const tell = (...words: ReadonlyArray<string>) =>
        Effect.forEach(admins, (admin) => Effect.promise(() => admin.call(words[0]!, ...words.slice(1))))
      yield* tell("ACL", "SETUSER", "eco2", "on", ">first", "~*", "&*", "+@all")
      const file = join(folder, `password-${servers[0]!.port}`)
      writeFileSync(file, "first")
      const client = yield* clientOf({ REDIS_URL: url.replace("//", "//eco2@"), REDIS_PASSWORD_FILE: file })
      const reader = yield* client.reader("stream")
      const ask = Effect.andThen(
        client.send("SET", "a", 1),
        reader.read(10, "XREAD", "BLOCK", 10, "STREAMS", "stream", "0")
      )
      yield* TestClock.withLive(ask)
      yield* tell("ACL", "SETUSER", "eco2", ">second", "<first")
      yield* tell("CLIENT", "KILL", "USER", "eco2")
      // before the file is changed, as somebody does who rotates in the wrong order
      yield* TestClock.withLive(until(Effect.result(quietly(client.send("SET", "a", 1))), Result.isFailure))
      writeFileSync(file, "second")
      // the clock stands: nothing reads the file by time
      yield* TestClock.withLive(until(Effect.result(quietly(ask)), Result.isSuccess))
    })
  )

  it.effect("a changed password is presented on open connections, before the server ends them", () =>
    Effect.gen(function* () {
      const { ask, file, logins, tell } = yield* rotating
      const before = yield* logins
      yield* tell(">second")
      writeFileSync(file, "second")
      yield* TestClock.adjust("10 seconds")
      // the command connection at once, the reader before its next read
      yield* TestClock.withLive(until(logins, (count) => count === before + 1))
      yield* TestClock.withLive(ask)
      expect(yield* logins).toBe(before + 2)
      yield* TestClock.adjust("1 minute")
      yield* TestClock.withLive(ask)
      expect(yield* logins).toBe(before + 2)
    })
  )

  it.effect(
    "a password that Redis does not take yet stops no command and no read, is no trouble, and is taken later",
    () =>
      Effect.gen(function* () {
        const { ask, client, file, logins, outside, tell } = yield* rotating
        yield* tell("resetkeys", "~eco2:*", "~stream")
        writeFileSync(file, "second")
        const before = yield* logins
        yield* quietly(TestClock.adjust("10 seconds"))
        yield* TestClock.withLive(until(logins, (count) => count === before + 1))
        for (const _ of [1, 2, 3]) {
          yield* TestClock.withLive(ask)
          yield* quietly(TestClock.adjust("5 seconds"))
        }
        expect(client.trouble()).toBe(null)
        // no word of the login was taken for a key
        expect(JSON.stringify(yield* Effect.promise(() => outside.call("ACL", "LOG")))).not.toContain('"xack"')
        yield* tell(">second", "<first")
        yield* TestClock.adjust("10 seconds")
        yield* TestClock.withLive(ask)
        yield* Effect.promise(() => outside.call("CLIENT", "KILL", "USER", "eco2"))
        yield* TestClock.withLive(until(Effect.exit(quietly(ask)), (exit) => exit._tag === "Success"))
      })
  )

  it.effect("a file that is gone or empty for a while leaves the last password in force", () =>
    Effect.gen(function* () {
      const { ask, file, logins } = yield* rotating
      const before = yield* logins
      writeFileSync(file, "")
      yield* quietly(TestClock.adjust("1 minute"))
      rmSync(file)
      yield* quietly(TestClock.adjust("1 minute"))
      yield* TestClock.withLive(ask)
      expect(yield* logins).toBe(before)
    })
  )
})

const missing = await (async () => {
  if (!Certificates.isInstalled()) return "openssl is not installed"
  const probe = await RedisServer.start({ args: ["--tls-port", "0"] }).catch(() => null)
  await probe?.stop()
  return probe === null ? "this redis-server is built without TLS" : null
})()

describe.skipIf(missing !== null)(`TLS${missing === null ? "" : ` (not tried: ${missing})`}`, () => {
  let ours: Certificates.Authority
  let server: Certificates.Certificate
  beforeAll(() => {
    ours = Certificates.authority(folder, "ours")
    server = ours.certify("redis", "DNS:localhost,IP:127.0.0.1")
  })
  const tlsArgs = (port: number, { certificate, key }: Certificates.Certificate, clients: "yes" | "no") => [
    ...["--tls-port", String(port), "--tls-auth-clients", clients, "--tls-ca-cert-file", ours.ca],
    ...["--tls-cert-file", certificate, "--tls-key-file", key]
  ]

  it.live("REDIS_CA_FILE, REDIS_CERT_FILE and REDIS_KEY_FILE reach a server that asks for a client certificate", () =>
    Effect.gen(function* () {
      const { port } = yield* onFreePort((port) => tlsArgs(port, server, "yes"))
      const own = ours.certify("client", "DNS:client")
      const trusting = { REDIS_URL: `rediss://127.0.0.1:${port}`, REDIS_CA_FILE: ours.ca }
      const whole = { ...trusting, REDIS_CERT_FILE: own.certificate, REDIS_KEY_FILE: own.key }
      const client = yield* clientOf(whole)
      expect(yield* client.send("PING")).toBe("PONG")
      const unknown = yield* clientOf(trusting)
      yield* until(Effect.sync(unknown.trouble), (trouble) => trouble !== null)
    })
  )

  // Deno compares them when it connects
  it.live.skipIf("deno" in process.versions)(
    "a key that is not the certificate's is refused at start, by its name",
    () =>
      Effect.gen(function* () {
        const own = ours.certify("client", "DNS:client")
        const files = { REDIS_CA_FILE: ours.ca, REDIS_CERT_FILE: own.certificate, REDIS_KEY_FILE: server.key }
        expect(yield* refusalOf({ REDIS_URL: "rediss://127.0.0.1:6379", ...files })).toMatch(
          /REDIS_CA_FILE, REDIS_CERT_FILE, REDIS_KEY_FILE cannot be used for TLS: .*key values mismatch/
        )
      })
  )

  it.live("a certificate that was renewed on disk is presented by the next connection, without a restart", () =>
    Effect.gen(function* () {
      const { port, server: plain } = yield* onFreePort((port) => tlsArgs(port, server, "yes"))
      const [certificate, key] = ["renewed.crt", "renewed.key"].map((name) => join(folder, name))
      const put = (of: Certificates.Certificate) => {
        copyFileSync(of.certificate, certificate!)
        copyFileSync(of.key, key!)
      }
      put(ours.certify("before", "DNS:before"))
      const client = yield* clientOf({
        REDIS_URL: `rediss://127.0.0.1:${port}`,
        REDIS_CA_FILE: ours.ca,
        REDIS_CERT_FILE: certificate!,
        REDIS_KEY_FILE: key!
      })
      yield* client.send("PING")
      // from another authority: the server accepts no new connection with it
      put(Certificates.authority(folder, "strangers").certify("after", "DNS:after"))
      const outside = yield* outsideOf(plain.url)
      yield* Effect.promise(() => outside.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
      yield* until(Effect.sync(client.trouble), (trouble) => trouble !== null)
      put(ours.certify("again", "DNS:again"))
      yield* until(Effect.exit(quietly(client.send("PING"))), (exit) => exit._tag === "Success")
    })
  )

  it.live("a Cluster over TLS that announces names is reached by its names, by commands and by readers", () =>
    Effect.gen(function* () {
      // of a name alone, as those of managed Clusters are
      const named = ours.certify("cluster", "DNS:localhost")
      const servers = yield* Effect.forEach([1, 2, 3], () =>
        onFreePort((port) => [
          ...tlsArgs(port, named, "no"),
          ...["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--tls-cluster", "yes"],
          ...["--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname"]
        ])
      )
      const ports = servers.map(({ port }) => port)
      const nodes = yield* Effect.forEach(servers, ({ server }) => outsideOf(server.url))
      const bounds = [0, 5461, 10_923, 16_384]
      for (const [i, node] of nodes.entries()) {
        yield* Effect.promise(() => node.call("CLUSTER", "ADDSLOTSRANGE", bounds[i]!, bounds[i + 1]! - 1))
        yield* Effect.promise(() => node.call("CLUSTER", "SET-CONFIG-EPOCH", i + 1))
        if (i > 0) yield* Effect.promise(() => nodes[0]!.call("CLUSTER", "MEET", "127.0.0.1", ports[i]!))
      }
      for (const node of nodes)
        yield* until(
          Effect.promise(() => node.cluster("INFO")),
          (info) => /cluster_state:ok/.test(info) && /cluster_size:3/.test(info)
        )
      // a node names another only once a message of it has come
      for (const node of nodes)
        yield* until(
          Effect.promise(() => node.call("CLUSTER", "SLOTS")),
          (told) => JSON.stringify(told).split('["localhost",').length === 4
        )
      const client = yield* clientOf({
        REDIS_URL: `redis+cluster://localhost:${ports[0]}?tls=true`,
        REDIS_CA_FILE: ours.ca
      })
      for (const key of ["a", "b", "c", "d", "e", "f"]) {
        expect(yield* client.send("XADD", key, "*", "at", key)).toMatch(/-0$/)
        const reader = yield* client.reader(key)
        expect(JSON.stringify(yield* reader.read(100, "XREAD", "BLOCK", 100, "STREAMS", key, "0"))).toContain(key)
      }
    })
  )

  /** What stands before a server, and ends TLS for it; `asked`: the names that clients asked for (SNI), false where none. */
  const gate = (port: number) =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const asked: Array<string | false | null> = []
        const sockets = new Set<Duplex>()
        const listening = createServer(
          { cert: readFileSync(server.certificate), key: readFileSync(server.key) },
          (socket) => {
            asked.push(socket.servername)
            const behind = connect(port, "127.0.0.1")
            for (const [from, to] of [
              [socket, behind],
              [behind, socket]
            ] as const) {
              sockets.add(from)
              from.on("error", () => undefined).on("close", () => to.destroy())
              from.pipe(to)
            }
          }
        ).on("tlsClientError", () => undefined)
        await new Promise<void>((resolve) => listening.listen(0, resolve))
        const address = listening.address()
        return { asked, sockets, listening, port: typeof address === "object" ? (address?.port ?? 0) : 0 }
      }),
      ({ listening, sockets }) =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          listening.close()
        })
    )

  it.live("the name in REDIS_URL is the one that TLS asks the server for (SNI)", () =>
    Effect.gen(function* () {
      const redis = yield* RedisServer.scoped()
      const before = yield* gate(redis.port)
      for (const form of ["rediss://localhost:PORT", "redis+cluster://localhost:PORT?tls=true"]) {
        before.asked.length = 0
        const client = yield* clientOf({ REDIS_URL: form.replace("PORT", String(before.port)), REDIS_CA_FILE: ours.ca })
        yield* until(
          Effect.sync(() => before.asked.length),
          (count) => count > 0
        )
        expect(client.topology).toBe(form.includes("cluster") ? "Cluster" : "Standalone")
        expect(new Set(before.asked)).toEqual(new Set(["localhost"]))
      }
    })
  )

  it.live("Sentinels, and a master that they tell of by its name, are asked for their names by TLS (SNI)", () =>
    Effect.gen(function* () {
      const redis = yield* RedisServer.scoped()
      const master = yield* gate(redis.port)
      const sentinel = yield* RedisSentinel.watching(master.port, "localhost")
      const before = yield* gate(sentinel.port)
      const client = yield* clientOf({
        REDIS_URL: `redis+sentinel://localhost:${before.port}?name=main&tls=true`,
        REDIS_CA_FILE: ours.ca
      })
      // by the driver, which asks a Sentinel first; then by the connection that watches for another master
      expect(yield* client.send("PING")).toBe("PONG")
      const outside = yield* outsideOf(sentinel.sentinel)
      const clients = Effect.promise(() => outside.call("CLIENT", "LIST"))
      yield* until(clients, (list) => String(list).includes("name=eco2-failover"))
      const reader = yield* client.reader("stream")
      expect(yield* reader.read(10, "XREAD", "BLOCK", 10, "STREAMS", "stream", "0")).toBe(null)
      expect(new Set(before.asked)).toEqual(new Set(["localhost"]))
      expect(new Set(master.asked)).toEqual(new Set(["localhost"]))
      expect(master.asked.length).toBeGreaterThan(1)
    })
  )
})
