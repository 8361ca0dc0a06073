/**
 * docs/operations/backup.md, played: its commands as they stand, in bash, on a real Redis and a real PostgreSQL that hold a day's
 * work: jobs that are done, that wait, that were given up, and what users own.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { Redis } from "ioredis"
import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as PostgresPrograms from "../../packages/core/src/server/PostgresPrograms.ts"
import { runWith } from "../deploy/cli/Operating.ts"
import { client, field, photo } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import { commands, notTried } from "../harness/Documents.ts"
import { FakeModelServer } from "../harness/FakeModelServer.ts"
import * as Process from "../harness/Process.ts"

const book = "docs/operations/backup.md"
const root = fileURLToPath(new URL("../../", import.meta.url))
const blocks = commands(book).filter(({ text }) => !text.startsWith(notTried))
const played = new Set<string>()

const durable = ["--appendonly", "yes"]
const tables = ["character.characters", "character.character_ownerships", "users.user_characters", "info.news_articles"]

/** Keys that live long, with their types; jobs of each state; rows of each table. */
interface Count {
  readonly keys: ReadonlyArray<string>
  readonly jobs: Readonly<Record<string, number>>
  readonly letters: number
  readonly rows: Readonly<Record<string, number>>
}

describe.skipIf(!PostgresServer.isInstalled())("the book of backup and restore", () => {
  const folder = mkdtempSync(join(tmpdir(), "eco2-backup-"))
  const programs = join(folder, "bin")
  let database: PostgresServer.PostgresServer
  let redis: RedisServer.RedisServer
  let models: FakeModelServer
  let databases = 0
  let backups = 0
  const started: Array<Process.Process> = []

  const settings = (databaseUrl: string) => ({
    REDIS_URL: redis.url,
    DATABASE_URL: databaseUrl,
    AUTH_MODE: "header",
    INTERNAL_SECRET: "backup-test-secret",
    OPENAI_MODELS: "gpt-5.2",
    OPENAI_API_KEY: "sk-backup",
    OPENAI_BASE_URL: `${models.url}/v1`,
    MODEL_REUSE: "off",
    GEMINI_MODELS: "",
    FETCH_IMAGES: "false",
    NEWS_SAMPLE: "false",
    SHUTDOWN_GRACE: "1 second"
  })
  const startedRole = async (role: Process.RoleName, databaseUrl: string) => {
    const process = await Process.start(role, settings(databaseUrl))
    started.push(process)
    return process
  }

  const path = () => [programs, PostgresPrograms.find() ?? "", process.env.PATH ?? ""].join(delimiter)
  /** Runs a block of the book; its output. */
  const play = (heading: string, databaseUrl: string, backup: string): string => {
    const block = blocks.find((one) => one.heading === heading)
    if (block === undefined) throw new Error(`${book} has no commands under ${heading}`)
    played.add(heading)
    const { status, stderr, stdout } = spawnSync("bash", ["-euo", "pipefail", "-c", block.text], {
      cwd: folder,
      encoding: "utf8",
      // bash takes a socket for a remote shell, and reads its start files
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 120_000,
      env: {
        ...Process.compileCache,
        ...settings(databaseUrl),
        PATH: path(),
        REDIS_DATA: redis.directory,
        BACKUP: backup
      }
    })
    expect([heading, status, stderr]).toEqual([heading, 0, expect.any(String)])
    return stdout
  }
  /** One statement by psql; the words of its first row. */
  const query = (databaseUrl: string, statement: string) => {
    const words = [
      "--no-psqlrc",
      "--tuples-only",
      "--no-align",
      "--field-separator",
      " ",
      "--command",
      statement,
      databaseUrl
    ]
    const { status, stderr, stdout } = spawnSync("psql", words, { encoding: "utf8", env: { PATH: path() } })
    expect([status, stderr]).toEqual([0, ""])
    return stdout.trim().split(" ")
  }
  const newBackup = () => {
    const backup = join(folder, `backup-${backups++}`)
    mkdirSync(backup)
    return backup
  }

  const count = async (databaseUrl: string): Promise<Count> => {
    const connection = new Redis(redis.url)
    try {
      const names = await connection.keys("*")
      const keys: Array<string> = []
      for (const name of names) {
        const left = await connection.pttl(name)
        // leases, turns and counts of a minute come and go by themselves
        if (left === -1 || left > 600_000) keys.push(`${await connection.type(name)} ${name}`)
      }
      const jobs: Record<string, number> = {}
      for (const name of names.filter((one) => /:job:[^:]+$/.test(one))) {
        const [state = ""] = ((await connection.hget(name, "now")) ?? "").split(" ")
        jobs[state] = (jobs[state] ?? 0) + 1
      }
      const letters = await Promise.all(
        names.filter((one) => /:dead:[^:]+$/.test(one)).map((name) => connection.xlen(name).catch(() => 0))
      )
      const counts = query(databaseUrl, `SELECT ${tables.map((table) => `(SELECT count(*) FROM ${table})`).join(", ")}`)
      const rows = Object.fromEntries(tables.map((table, n) => [table, Number(counts[n])]))
      return { keys: keys.toSorted(), jobs, letters: letters.reduce((sum, one) => sum + one, 0), rows }
    } finally {
      connection.disconnect()
    }
  }

  /** Redis is gone with its data, as after a lost disk. */
  const lose = async () => {
    await redis.kill9()
    for (const name of ["appendonlydir", "dump.rdb"])
      rmSync(join(redis.directory, name), { recursive: true, force: true })
  }

  let url: string
  let done: string
  let waiting: ReadonlyArray<string>
  let before: Count

  beforeAll(async () => {
    mkdirSync(programs)
    // the servers that this run tests, under the names that the book has
    if (process.env.TEST_REDIS) symlinkSync(resolve(process.env.TEST_REDIS), join(programs, "redis-server"))
    writeFileSync(join(programs, "eco2"), `#!/bin/sh\nexec "${Process.nodePath()}" "${root}deploy/cli/main.ts" "$@"\n`)
    chmodSync(join(programs, "eco2"), 0o755)
    database = await PostgresServer.start()
    models = await FakeModelServer.start()
    redis = await RedisServer.start({ directory: join(folder, "redis"), args: durable })
    url = await database.database(`book${databases++}`)
    await runWith({ DATABASE_URL: url })("migrate")
    const all = await startedRole("all", url)
    const users = Array.from({ length: 5 }, (_, n) => client(all, `user-${n}`))
    const ids = await Promise.all(users.map((user) => user.accepted({ image_url: photo })))
    done = ids[0]!
    await Promise.all(users.map((user, n) => user.finished(ids[n]!)))
    models.next("vision", { _tag: "Refusal" })
    await users[0]!.finished(await users[0]!.accepted({ image_url: photo }))
    await until(
      () => count(url),
      ({ rows }) => rows["users.user_characters"] === 5,
      30_000
    )
    await all.stop()
    // nobody works on these
    const gateway = await startedRole("gateway", url)
    waiting = await Promise.all(
      Array.from({ length: 40 }, () => client(gateway, "user-0").accepted({ image_url: photo }))
    )
    await gateway.stop()
    before = await count(url)
  })
  afterAll(async () => {
    await Promise.all(started.map((process) => process.kill9()))
    await redis?.stop()
    await models?.close()
    await database?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it("a day's work is there to be lost: jobs done, waiting and failed, letters, and what users own", () => {
    expect(before.jobs).toEqual({ done: 5, failed: 1, waiting: 40 })
    expect(before.letters).toBe(1)
    expect(before.rows).toMatchObject({ "character.character_ownerships": 5, "users.user_characters": 5 })
  })

  it("an RDB file beside `appendonly yes` is not read: Redis starts empty, as the book says", async () => {
    const backup = newBackup()
    play("Copy Redis", url, backup)
    const wrong = await RedisServer.start({ directory: join(folder, "wrong"), args: ["--appendonly", "no"] })
    await wrong.stop()
    spawnSync("cp", [join(backup, "redis.rdb"), join(folder, "wrong", "dump.rdb")])
    const empty = await RedisServer.start({ directory: join(folder, "wrong"), args: durable })
    const connection = new Redis(empty.url)
    expect(await connection.dbsize()).toBe(0)
    connection.disconnect()
    await empty.stop()
  })

  /** Backs up as the book says, loses Redis and the database, restores, and looks. */
  const restored = async (copy: string, putBack: string) => {
    const backup = newBackup()
    play(copy, url, backup)
    play("Copy PostgreSQL", url, backup)
    await lose()
    const other = await database.database(`book${databases++}`)
    play("Put PostgreSQL back", other, backup)
    const said = play(putBack, other, backup)
    await redis.restart()
    const looked = play("Look before the roles start", other, backup)
    expect(looked).toMatch(/^ok +redis\.data +since /m)
    return { said, after: await count(other), url: other }
  }

  it("Redis restored from its append-only folder, and PostgreSQL, have the keys, jobs and rows of before", async () => {
    const { after, url: other } = await restored("Copy the append-only folder", "Put the append-only folder back")
    expect(after).toEqual(before)
    url = other
  })

  it("Redis restored from an RDB file, and PostgreSQL, have the keys, jobs and rows of before, and go on", async () => {
    rmSync(join(redis.directory, "before-restore"), { recursive: true })
    const { after, said, url: other } = await restored("Copy Redis", "Put a copy of Redis back")
    expect(Number(said.split("\n").find((line) => /^\d+$/.test(line)))).toBeGreaterThanOrEqual(before.keys.length)
    expect(after).toEqual(before)
    expect(existsSync(join(redis.directory, "before-restore"))).toBe(true)
    expect(play("Publish the catalogue", other, folder)).toContain("told every worker")
    // the work goes on where it was, and what was done is still there to read
    const all = await startedRole("all", other)
    const user = client(all, "user-0")
    expect(field((await user.result(done)).body, "status")).toBe("completed")
    for (const id of waiting) expect(field((await user.finished(id)).body, "status")).toBe("completed")
    await all.stop()
  })

  it("a Redis that was restored to nothing is told by the doctor, before and after roles have started on it", async () => {
    await redis.kill9()
    rmSync(join(redis.directory, "appendonlydir"), { recursive: true, force: true })
    await redis.restart()
    const told = async () => {
      const { out } = await runWith(settings(url))("doctor", "--json")
      const { findings } = JSON.parse(out)
      return findings.find(({ check }: { readonly check: string }) => check === "redis.data")
    }
    expect(await told()).toMatchObject({
      level: "warn",
      found: "Redis is empty, and Postgres has characters that users own"
    })
    // rows of before are older than a minute in life; here they are made so
    query(url, "UPDATE character.character_ownerships SET acquired_at = now() - interval '2 minutes'")
    await (await startedRole("gateway", url)).stop()
    expect(await told()).toMatchObject({
      level: "warn",
      found: expect.stringMatching(
        /^the data in Redis began at .*, and Postgres has characters that users own from before$/
      )
    })
  })

  it("every block of the book was played, but for those that say they are not", () => {
    expect([...played].toSorted()).toEqual(blocks.map(({ heading }) => heading).toSorted())
  })
})
