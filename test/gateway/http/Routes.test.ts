/**
 * Every route of the roles with an API, asked in every spelling that a filter in front might read otherwise, by HEAD, and by
 * methods that it does not have. The routes are those that the role has added, so a new one is asked too.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { send } from "../../harness/RawRequest.ts"
import type { Answer } from "../../harness/RawRequest.ts"
import { client } from "../ScanClient.ts"
import { metric, simulatedOnly, start, until } from "../Serving.ts"
import type { Environment, Serving } from "../Serving.ts"

const secret = "operators-only"
const headers = { "x-internal-secret": secret, "x-user-id": "ann" }
/** A job id that nobody has, mailboxes and schedules that there are not. */
const filled = (path: string) =>
  path.replaceAll(/:(\w+)/g, (_, name: string) => (name === "job_id" ? "6d9f7c7e-0000-5000-8000-000000000000" : "x1"))

let redis: RedisServer.RedisServer
const roles: Record<"gateway" | "apart" | "news-api", Serving | undefined> = {
  gateway: undefined,
  apart: undefined,
  "news-api": undefined
}
const serving = (name: keyof typeof roles) => roles[name]!

beforeAll(async () => {
  redis = await RedisServer.start()
  const env: Environment = {
    ...simulatedOnly,
    REDIS_URL: redis.url,
    AUTH_MODE: "none",
    INTERNAL_SECRET: secret
  }
  roles.gateway = await start("gateway", env)
  roles.apart = await start("gateway", { ...env, ADMIN_PORT: "0" })
  // nobody listens there: the news are answered from Redis, or not at all
  roles["news-api"] = await start("news-api", { ...env, DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" })
})
afterAll(async () => {
  for (const role of Object.values(roles)) await role?.stop()
  await redis.stop()
})

interface Asked {
  readonly address: string
  readonly method: string
  readonly path: string
}
const routesOf = (name: keyof typeof roles): ReadonlyArray<Asked> => {
  const { address, admin, routes } = serving(name)
  const of = (at: string, added: Serving["routes"]["main"]) =>
    added.map(({ method, path }) => ({ address: at, method, path: filled(path) }))
  return [...of(address, routes.main), ...(admin === address ? [] : of(admin, routes.admin))]
}
const ask = ({ address, method, path }: Asked, target: string) =>
  send(address, target, {
    method,
    headers,
    isEndless: path.endsWith("/ops/tail"),
    ...(method === "POST" || method === "PATCH" ? { body: "{}" } : {})
  })

const escaped = (letter: string) => `%${letter.charCodeAt(0).toString(16)}`
/** The path in other spellings, each of which some proxy or router takes for the same. `given` is as sent, with its values. */
const spellings = (address: string, path: string): ReadonlyArray<string> => {
  const parts = path.split("/").slice(1)
  const isValue = (part: string) => part === "x1" || part.length > 30
  const withPart = (change: (part: string) => string) =>
    parts.flatMap((part, i) => (part === "" || isValue(part) ? [] : [`/${parts.with(i, change(part)).join("/")}`]))
  return [
    ...withPart((part) => part.toUpperCase()),
    ...withPart((part) => `${part.charAt(0).toUpperCase()}${part.slice(1)}`),
    ...withPart((part) => `${escaped(part.charAt(0))}${part.slice(1)}`),
    ...withPart((part) => `${part.slice(0, -1)}${escaped(part.at(-1)!).toUpperCase()}`),
    ...withPart((part) => `${part};x`),
    ...withPart((part) => `${part}/.`),
    ...withPart((part) => `${part}%2f`),
    ...withPart((part) => `/${part}`),
    ...withPart((part) => `x/../${part}`),
    ...(path === "/" ? [] : [`${path}/`]),
    `/${path}`,
    `${path};`,
    `${path};jsessionid=1`,
    ...(isValue(parts.at(-1)!) ? [] : [`${path}%3Bx`, `${path}%3F`, `${path}%00`]),
    `${path}%`,
    `/.${path}`,
    `/%2e${path}`,
    `/x/..${path}`,
    `${address}/x/..${path}`,
    `${address}//${path}`
  ].filter((target) => target !== path)
}

/** 405: there are values in the place of a word, by another method. */
const isNowhere = ({ body, status }: Answer) =>
  status === 405 || (status === 404 && body === '{"detail":"no such page","code":"NOT_FOUND"}')

describe("routes", { timeout: 60_000 }, () => {
  it.each(["gateway", "apart", "news-api"] as const)(
    "H1 every route of %s – in another spelling of its path – leads nowhere",
    async (name) => {
      const reached: Array<string> = []
      let asked = 0
      for (const route of routesOf(name)) {
        for (const target of spellings(route.address, route.path)) {
          const answer = await ask(route, target)
          asked++
          if (!isNowhere(answer)) reached.push(`${route.method} ${target} ${answer.status} ${answer.body.slice(0, 80)}`)
        }
      }
      expect(reached).toEqual([])
      expect(asked).toBeGreaterThan(100)
    }
  )

  it("H1 a route, asked by an absolute target – is reached as by its path", async () => {
    const { address } = serving("gateway")
    expect((await send(address, `${address}/healthz`)).status).toBe(200)
  })

  it("H1 a route with a value in its path – takes any encoded text, also a long one", async () => {
    const { address } = serving("gateway")
    const limits = "/api/v1/internal/ops/limits"
    const sent = (name: string) =>
      send(address, `${limits}/${encodeURIComponent(name)}/resume`, { method: "POST", headers })
    for (const name of ["gemini/flash-3.1", "이코", "a;b", "x".repeat(4_000)]) {
      expect([name, await sent(name)]).toMatchObject([
        name,
        { status: 404, body: '{"detail":"not found","code":"NOT_FOUND"}' }
      ])
    }
  })

  it.each(["gateway", "apart", "news-api"] as const)(
    "H2 every route of %s – by HEAD – is answered as by GET, without a body",
    async (name) => {
      const differences: Array<unknown> = []
      for (const route of routesOf(name).filter(({ method }) => method === "GET")) {
        const [head, get] = [await ask({ ...route, method: "HEAD" }, route.path), await ask(route, route.path)]
        const same = [
          "content-type",
          "etag",
          "cache-control",
          "content-security-policy",
          "location",
          "allow",
          "content-encoding"
        ]
        const seen = ({ headers: given, status }: Answer) => ({
          status,
          ...Object.fromEntries(same.map((one) => [one, given[one]]))
        })
        if (head.body !== "" || JSON.stringify(seen(head)) !== JSON.stringify(seen(get)))
          differences.push([route.path, head, seen(get)])
      }
      expect(differences).toEqual([])
    }
  )

  it("H2 a stream by HEAD – is answered with its headers, ends at once, and leaves no viewer", async () => {
    const gateway = serving("gateway")
    const ann = client(gateway)
    const path = new URL(ann.eventsUrl(await ann.accepted())).pathname
    const head = await send(gateway.address, path, { method: "HEAD", headers })
    expect(head).toMatchObject({
      status: 200,
      body: "",
      headers: { "content-type": "text/event-stream; charset=utf-8" }
    })
    await until(
      () => metric(gateway, "eco2_viewers"),
      (viewers) => viewers === 0
    )
  })

  it.each(["gateway", "apart", "news-api"] as const)(
    "H3 every route of %s – by a method that it does not have – is 405 with Allow, and OPTIONS is 204 with it",
    async (name) => {
      const routes = routesOf(name)
      for (const { address, path } of routes) {
        const own = [
          ...new Set(routes.filter((one) => one.address === address && one.path === path).map(({ method }) => method))
        ]
        const options = await send(address, path, { method: "OPTIONS", headers })
        expect([path, options.status, options.body]).toEqual([path, 204, ""])
        const allow = String(options.headers.allow).split(", ")
        expect([path, allow]).toEqual([
          path,
          expect.arrayContaining([...own, ...(own.includes("GET") ? ["HEAD"] : []), "OPTIONS"])
        ])
        for (const method of ["PUT", "PROPFIND"].filter((other) => !own.includes(other))) {
          const refused = await send(address, path, { method, headers })
          expect([path, refused.status, refused.headers.allow]).toEqual([path, 405, options.headers.allow])
          expect(JSON.parse(refused.body)).toEqual({ detail: expect.any(String), code: "METHOD_NOT_ALLOWED" })
        }
      }
      expect((await send(serving(name).address, "/nowhere", { method: "OPTIONS" })).status).toBe(404)
    }
  )
})

describe("ADMIN_PORT", () => {
  const internal = ({ path }: { readonly path: string }) => path === "/metrics" || path.startsWith("/api/v1/internal")

  it("ADMIN_PORT set – metrics and the operators' calls are served there, and on PORT no more", async () => {
    const { address, admin, routes } = serving("apart")
    expect(routes.main.filter(internal)).toEqual([])
    expect(routes.admin.filter(internal).length).toBeGreaterThan(15)
    for (const path of ["/metrics", "/api/v1/internal/ops/mailboxes"]) {
      expect([path, (await send(address, path, { headers })).status]).toEqual([path, 404])
      expect([path, (await send(admin, path, { headers })).status]).toEqual([path, 200])
    }
    for (const at of [address, admin]) expect((await send(at, "/healthz")).status).toBe(200)
    expect((await send(admin, "/api/v1/scan/categories")).status).toBe(404)
  })

  it("ADMIN_PORT set – each port describes the calls that it serves", async () => {
    const pathsAt = async (at: string) => Object.keys(JSON.parse((await send(at, "/openapi.json")).body).paths)
    const { address, admin } = serving("apart")
    const [open, closed] = [await pathsAt(address), await pathsAt(admin)]
    expect(open.filter((path) => path.startsWith("/api/v1/internal"))).toEqual([])
    expect(closed.filter((path) => !/^\/(?:api\/v1\/internal|console)\b/.test(path))).toEqual([])
    expect([...open, ...closed].toSorted()).toEqual((await pathsAt(serving("gateway").address)).toSorted())
  })

  it("ADMIN_PORT not set – everything is served on PORT", async () => {
    const { address, admin } = serving("gateway")
    expect(admin).toBe(address)
    for (const path of ["/metrics", "/api/v1/internal/ops/mailboxes"])
      expect([path, (await send(address, path, { headers })).status]).toEqual([path, 200])
  })

  it("ADMIN_PORT the same as PORT – is refused at start", async () => {
    await expect(start("gateway", { PORT: "8080", ADMIN_PORT: "8080", REDIS_URL: redis.url })).rejects.toThrow(
      "ADMIN_PORT is 8080, and so is PORT"
    )
  })
})
