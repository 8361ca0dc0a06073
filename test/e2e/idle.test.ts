/**
 * The Redis commands of each idle role: at most 30 client commands a minute. Each has its own Redis, has worked once, and is then
 * watched for a minute of real time with MONITOR, which marks commands inside scripts.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { Redis } from "ioredis"
import { createServer } from "node:http"
import { connect } from "node:net"
import type { AddressInfo } from "node:net"
import { setTimeout as delay } from "node:timers/promises"
import { runWith } from "../deploy/cli/Operating.ts"
import { client, photo } from "../gateway/ScanClient.ts"
import { simulatedOnly } from "../gateway/Serving.ts"
import * as EventStream from "../harness/EventStream.ts"
import * as Process from "../harness/Process.ts"
import type { RoleName } from "../harness/Process.ts"
import * as TokenIssuer from "../harness/TokenIssuer.ts"

const mostCommands = 30
const windowMillis = 60_000
const databased: ReadonlyArray<RoleName> = ["character-match", "character-worker", "news-worker", "news-api"]
const roles: ReadonlyArray<RoleName> = ["scan-worker", "gateway", "authz", ...databased]
const installed = PostgresServer.isInstalled()

let database: PostgresServer.PostgresServer | undefined
const servers: Array<RedisServer.RedisServer> = []
/** Naver's search without a result. */
const nothing = createServer((_, response) => response.end('{"items":[]}'))
let naver = ""
const sent = new Map<RoleName, Array<string>>()

/** Client commands that a server receives in `millis`. Uses its own socket, because drivers take an early line for a reply. */
const monitored = async (port: number, millis: number) => {
  const socket = connect(port, "127.0.0.1")
  let text = ""
  socket.setEncoding("utf8").on("data", (piece: string) => (text += piece))
  socket.write("MONITOR\r\n")
  await delay(millis)
  socket.destroy()
  return text.split("\r\n").flatMap((line) => {
    const [, source, command] = /^\+[\d.]+ \[\d+ (\S+)\] (.*)$/.exec(line) ?? []
    return command === undefined || source === "lua" ? [] : [command.slice(0, 90)]
  })
}

/** Starts the role, lets it work once, and counts its commands afterwards. */
const measure = async (role: RoleName) => {
  const redis = await RedisServer.start()
  servers.push(redis)
  const env = {
    ...simulatedOnly,
    ...TokenIssuer.bySecret,
    ...(database === undefined ? {} : { DATABASE_URL: database.url() }),
    REDIS_URL: redis.url,
    AUTH_MODE: role === "authz" ? "jwt" : "header",
    // no slot is due within the minute
    NAVER_CLIENT_ID: "id",
    NAVER_CLIENT_SECRET: "secret",
    // the first runs, at once: they find nothing
    NAVER_BASE_URL: naver,
    NEWS_INTERVAL_NAVER: "30 days"
  }
  const measured = await Process.start(role, env)
  const connection = new Redis(redis.url)
  const others: Array<Process.Process> = []
  if (role === "gateway" || role === "scan-worker" || role === "character-match") {
    const rest = (["gateway", "scan-worker", "character-match"] as const).filter((name) => name !== role)
    for (const name of rest) {
      if (name !== "character-match" || database !== undefined) others.push(await Process.start(name, env))
    }
    const serving = role === "gateway" ? measured : others[0]!
    const ann = client(serving)
    // a scan-worker that has once asked for a character listens for answers afterwards; not every simulated photo earns one
    const asked = async () => (await connection.keys("eco2:{fleet}:replies:*")).length > 0
    for (let n = 0; n === 0 || (database !== undefined && !(await asked())); n++) {
      if (n === 50) throw new Error("none of fifty scans asked for a character")
      const id = await ann.accepted({ image_url: `${photo}?${n}` })
      await EventStream.watch(ann.eventsUrl(id), { headers: ann.headers })
    }
    await Promise.all(others.map((other) => other.stop()))
  }
  // rewards for a role that this Redis has not: work that nobody serves is looked at again and again (UnservedWatch)
  for (const mailbox of await connection.keys("eco2:*:mailbox:*")) await connection.xtrim(mailbox, "MAXLEN", 0)
  connection.disconnect()
  // the effects of a start or a death on other processes are over within a lease
  await delay(20_000)
  const commands = await monitored(redis.port, windowMillis)
  await measured.kill9()
  sent.set(role, commands)
}

describe("an idle role", () => {
  beforeAll(async () => {
    await new Promise<void>((resolve) => nothing.listen(0, "127.0.0.1", resolve))
    naver = `http://127.0.0.1:${(nothing.address() as AddressInfo).port}`
    if (installed) {
      database = await PostgresServer.start()
      await runWith({ DATABASE_URL: database.url() })("migrate")
    }
    await Promise.all(roles.filter((role) => installed || !databased.includes(role)).map(measure))
  }, 240_000)
  afterAll(async () => {
    nothing.close()
    await Promise.all(servers.map((server) => server.stop()))
    await database?.stop()
  })

  for (const role of roles) {
    it.skipIf(!installed && databased.includes(role))(`idle ${role} sends at most ${mostCommands} commands/min`, () => {
      const commands = sent.get(role) ?? []
      console.log(`${role}: ${commands.length} commands a minute`)
      expect(commands.length, commands.join("\n")).toBeLessThanOrEqual(mostCommands)
      // all but one keep a blocked connection: silence would mean that nothing was measured
      if (role !== "news-api") expect(commands.length).toBeGreaterThan(0)
    })
  }
})
