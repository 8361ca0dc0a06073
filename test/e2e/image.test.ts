/**
 * The image without Docker: exactly the files that its Dockerfile copies, read-only, run by a user who owns none of them, with
 * one writable folder. A file of the checkout that a role needs and the image lacks is found here.
 */
import { spawnSync } from "node:child_process"
import { readdirSync, statSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PostgresServer } from "@eco2/core/testing"
import { client, field } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import * as ImageFolder from "../harness/ImageFolder.ts"
import * as Process from "../harness/Process.ts"
import * as TokenIssuer from "../harness/TokenIssuer.ts"
import * as System from "./System.ts"

/** The settings of deploy/compose without a provider's key. */
const simulated = {
  OPENAI_MODELS: "",
  OPENAI_API_KEY: "",
  GEMINI_MODELS: "",
  SIMULATED_MODEL: "true",
  SIMULATED_VISION_MS: "10",
  SIMULATED_ANSWER_MS: "10"
}

describe.skipIf(!PostgresServer.isInstalled())("the container image", () => {
  let image: ImageFolder.ImageFolder
  let database: PostgresServer.PostgresServer
  let system: System.System
  /** Compiled modules, in the one folder that can be written: most of a start is compiling. */
  const compiled = () => ({ NODE_COMPILE_CACHE: `${image.scratch}/compiled` })

  beforeAll(async () => {
    image = ImageFolder.make({ packages: "installed" })
    database = await PostgresServer.start()
    system = await System.start({
      ...simulated,
      DATABASE_URL: database.url(),
      DATABASE_POOL: "2",
      TMPDIR: image.scratch,
      ...compiled()
    })
  })
  afterAll(async () => {
    await system?.stop()
    await database?.stop()
    image?.remove()
  })

  const eco2 = (...words: ReadonlyArray<string>) => {
    const { status, stderr, stdout } = spawnSync(image.node, ["deploy/cli/main.ts", ...words], {
      cwd: image.root,
      encoding: "utf8",
      timeout: 60_000,
      env: { ...compiled(), TMPDIR: image.scratch, DATABASE_URL: database.url(), REDIS_URL: system.redis.url },
      ...image.user
    })
    return { status, stderr, stdout }
  }
  const answers = async ({ address }: Process.Process, path: string) => (await fetch(`${address}${path}`)).status

  it("the image has packages, sources and the command line, no tests, no tools and no second Node, all of it read-only", () => {
    expect(readdirSync(image.root).toSorted()).toEqual([
      "LICENSE",
      "deploy",
      "node_modules",
      "package.json",
      "packages",
      "scripts"
    ])
    const packages = readdirSync(`${image.root}node_modules`)
    expect(packages).toEqual(expect.arrayContaining(["effect", "ioredis", "@eco2"]))
    expect(
      packages.filter((name) =>
        /^(node-(linux|win)|vitest|typescript|oxlint|knip|deno|playwright|@electric-sql)/.test(name)
      )
    ).toEqual([])
    for (const path of ["", "packages/core/src/service/Role.ts", "node_modules/effect", "deploy/cli/main.ts"])
      expect([path, statSync(`${image.root}${path}`).mode & 0o222]).toEqual([path, 0])
    const attempt = spawnSync(image.node, ["-e", "require('node:fs').writeFileSync('x', '')"], {
      cwd: image.root,
      ...image.user
    })
    // only root can write to read-only files
    if (image.user !== undefined) expect(attempt.status).not.toBe(0)
  })

  it("the image's command line prints its help, prepares the database, and has nothing to do the second time", () => {
    expect(eco2("--help")).toMatchObject({ status: 0, stderr: "", stdout: expect.stringContaining("migrate") })
    expect(eco2("migrate")).toMatchObject({ status: 0, stdout: expect.stringContaining("applied ") })
    expect(eco2("migrate")).toMatchObject({ status: 0, stdout: "the database is up to date\n" })
    expect(eco2("characters", "warm-up")).toMatchObject({ status: 0, stderr: "" })
  })

  it("every role of the image serves, becomes ready, and stops with code 0", async () => {
    const starting = (role: Parameters<System.System["start"]>[0], env: Readonly<Record<string, string>> = {}) =>
      system.start(role, env, image)
    const gateway = await starting("gateway")
    const roles = [
      gateway,
      await starting("scan-worker"),
      await starting("character-match"),
      await starting("character-worker"),
      await starting("news-worker", { NEWS_SAMPLE: "true" }),
      await starting("news-api"),
      await starting("authz", TokenIssuer.bySecret)
    ]
    for (const role of roles) {
      expect(await answers(role, "/healthz"), role.output()).toBe(200)
      await until(
        () => answers(role, "/readyz"),
        (status) => status === 200
      )
    }
    // scripts, rules, prompts, catalogue and page are all there
    const ann = client(gateway, "ann")
    const { body } = await ann.finished(await ann.accepted())
    expect(field(body, "status")).toBe("completed")
    expect((await ann.get("/")).status).toBe(200)
    expect(await answers(roles[5]!, "/news")).toBe(200)
    for (const role of roles) expect(await role.stop()).toEqual({ code: 0, signal: null })
  })

  it("the image has no embedded database: all roles in one process say so without DATABASE_URL, and end", async () => {
    const { exited, output } = Process.launch(
      "all",
      {
        ...simulated,
        REDIS_URL: system.redis.url,
        AUTH_MODE: "none",
        INSECURE_NONE: "true",
        ECO2_STATE: `${image.scratch}/without`,
        TMPDIR: image.scratch,
        ...compiled()
      },
      image
    )
    expect((await exited).code).toBe(1)
    expect(output()).toContain("no embedded database is installed here; set DATABASE_URL")
  })

  it("the image runs all roles in one process on external stores, open to other hosts when it is set so", async () => {
    const all = await system.start(
      "all",
      { HOST: "0.0.0.0", AUTH_MODE: "none", INSECURE_NONE: "true", ECO2_STATE: `${image.scratch}/eco2` },
      image
    )
    const here = { ...all, address: all.address.replace("0.0.0.0", "127.0.0.1") }
    expect(await answers(here, "/healthz")).toBe(200)
    const ann = client(here, "ann")
    expect(field((await ann.finished(await ann.accepted())).body, "status")).toBe("completed")
    expect(await all.stop()).toEqual({ code: 0, signal: null })
  })
})
