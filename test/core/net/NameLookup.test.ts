/** NameLookup against name servers on loopback: one that answers, and one that never does. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NameLookup from "../../../packages/core/src/net/NameLookup.ts"
import * as NameServer from "../../harness/NameServer.ts"
import { until } from "../Until.ts"

const strangers = { search: false }
const isDeno = process.versions.deno !== undefined

/** Files in place of /etc/hosts and /etc/resolv.conf. */
const files = (hosts: string, resolver: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "eco2-names-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    ),
    (folder) => {
      const [hostsFile, resolverFile] = [join(folder, "hosts"), join(folder, "resolv.conf")]
      writeFileSync(hostsFile, hosts)
      writeFileSync(resolverFile, resolver)
      return { hostsFile, resolverFile }
    }
  )
const outcome = (lookup: ReturnType<NameLookup.NameLookup>) =>
  Effect.match(lookup, {
    onSuccess: (found) => found.map(({ address, family }) => `${family} ${address}`).join(", "),
    onFailure: ({ code }) => code
  })
const asking = (server: NameServer.NameServer, many: number) =>
  TestClock.withLive(
    until(
      Effect.sync(() => server.names().size),
      (size) => size >= many
    )
  )

describe("what a name server answers", () => {
  it.effect("a name has the addresses of both families, IPv4 first, and answers are not kept", () =>
    Effect.gen(function* () {
      const server = yield* NameServer.start((name, kind) =>
        name !== "photos.example" ? "unknown" : kind === "A" ? ["192.0.2.1", "192.0.2.2"] : ["2001:db8::1"]
      )
      const lookup = NameLookup.make({ servers: [server.at] })
      for (const _ of [1, 2]) {
        expect(yield* outcome(lookup("photos.example", strangers))).toBe("4 192.0.2.1, 4 192.0.2.2, 6 2001:db8::1")
      }
      expect(server.asked.filter(({ kind }) => kind === "A").length).toBe(2)
    })
  )

  it.effect("a name with addresses of one family has those", () =>
    Effect.gen(function* () {
      const server = yield* NameServer.start((name, kind) =>
        (name === "old.example") === (kind === "A") ? [kind === "A" ? "192.0.2.1" : "2001:db8::1"] : []
      )
      const lookup = NameLookup.make({ servers: [server.at] })
      expect(yield* outcome(lookup("old.example", strangers))).toBe("4 192.0.2.1")
      expect(yield* outcome(lookup("new.example", strangers))).toBe("6 2001:db8::1")
    })
  )

  it.effect("a name that does not exist, or has no address, or cannot be one is ENOTFOUND", () =>
    Effect.gen(function* () {
      const server = yield* NameServer.start((name) => (name === "mail.example" ? [] : "unknown"))
      const lookup = NameLookup.make({ servers: [server.at] })
      const names = ["gone.example", "mail.example", ...(isDeno ? [] : [`${"a".repeat(64)}.example`])]
      for (const name of names) expect([name, yield* outcome(lookup(name, strangers))]).toEqual([name, "ENOTFOUND"])
    })
  )

  // Deno reports a server's failure as ENOTFOUND
  it.effect.skipIf(isDeno)("a name server that fails says nothing of the name", () =>
    Effect.gen(function* () {
      const server = yield* NameServer.start(() => "failed")
      expect(yield* outcome(NameLookup.make({ servers: [server.at] })("a.example", strangers))).toBe(
        "name server: ESERVFAIL"
      )
    })
  )
})

describe("a name server that never answers", () => {
  it.effect("a look-up whose name server never answers ends after five seconds", () =>
    Effect.gen(function* () {
      const server = yield* NameServer.silent
      const lookup = NameLookup.make({ servers: [server.at] })
      const one = yield* Effect.forkChild(outcome(lookup("dead.example", strangers)))
      yield* asking(server, 1)
      yield* TestClock.adjust("4900 millis")
      expect(one.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("100 millis")
      expect(yield* Fiber.join(one)).toBe("name server: ETIMEOUT")
    })
  )

  // Deno repeats its question to the first for longer
  it.live.skipIf(isDeno)("a second name server is asked when the first is silent", () =>
    Effect.gen(function* () {
      const dead = yield* NameServer.silent
      const server = yield* NameServer.start((_, kind) => (kind === "A" ? ["192.0.2.1"] : []))
      const lookup = NameLookup.make({ servers: [dead.at, server.at] })
      expect(yield* outcome(lookup("photos.example", strangers))).toBe("4 192.0.2.1")
      expect(dead.names()).toEqual(new Set(["photos.example"]))
    })
  )

  it.live("a family that is not answered does not keep the other's addresses back", () =>
    Effect.gen(function* () {
      const server = yield* NameServer.start((_, kind) => (kind === "A" ? ["192.0.2.1"] : "silent"))
      const lookup = NameLookup.make({ servers: [server.at] })
      expect(yield* outcome(lookup("photos.example", strangers))).toBe("4 192.0.2.1")
    })
  )

  it.effect("128 look-ups are under way at once; the next begins when one is interrupted", () =>
    Effect.gen(function* () {
      const server = yield* NameServer.silent
      const lookup = NameLookup.make({ servers: [server.at] })
      const many = yield* Effect.forEach(Array.from({ length: NameLookup.mostAtOnce + 1 }), (_, i) =>
        Effect.forkChild(lookup(`p${i}.example`, strangers))
      )
      yield* asking(server, NameLookup.mostAtOnce)
      expect(server.names().has(`p${NameLookup.mostAtOnce}.example`)).toBe(false)
      yield* Fiber.interrupt(many[0]!)
      yield* asking(server, NameLookup.mostAtOnce + 1)
    })
  )
})

describe("names that no server is asked for", () => {
  it.effect("localhost, names below it and names of the hosts file are known without a name server", () =>
    Effect.gen(function* () {
      const server = yield* NameServer.silent
      const paths = yield* files("# ours\n192.0.2.7 Photos.Example photos # two\n2001:db8::7\tphotos.example\n", "")
      const lookup = NameLookup.make({ servers: [server.at], ...paths })
      expect(yield* outcome(lookup("localhost", strangers))).toBe("4 127.0.0.1, 6 ::1")
      expect(yield* outcome(lookup("a.localhost", strangers))).toBe("4 127.0.0.1, 6 ::1")
      expect(yield* outcome(lookup("photos.example", strangers))).toBe("4 192.0.2.7, 6 2001:db8::7")
      appendFileSync(paths.hostsFile, "192.0.2.8 later.example\n")
      expect(yield* outcome(lookup("later.example", strangers))).toBe("4 192.0.2.8")
      expect(server.asked).toEqual([])
    })
  )

  it.effect("a system without a hosts file has no such names", () =>
    Effect.gen(function* () {
      const server = yield* NameServer.start(() => "unknown")
      const paths = { hostsFile: "/nowhere/hosts", resolverFile: "/nowhere/resolv.conf" }
      const lookup = NameLookup.make({ servers: [server.at], ...paths })
      expect(yield* outcome(lookup("a.example", { search: true }))).toBe("ENOTFOUND")
    })
  )
})

describe("the search list", () => {
  const cluster = "search default.svc.cluster.local svc.cluster.local\noptions timeout:1 ndots:5\n"
  const minio = "minio.storage.svc.cluster.local"
  const server = NameServer.start((name, kind) => (name === minio && kind === "A" ? ["10.1.2.3"] : "unknown"))
  const namesOf = ({ asked }: NameServer.NameServer) => asked.flatMap(({ kind, name }) => (kind === "A" ? [name] : []))

  it.effect("a stranger's name is asked for as it stands", () =>
    Effect.gen(function* () {
      const names = yield* server
      const lookup = NameLookup.make({ servers: [names.at], ...(yield* files("", cluster)) })
      expect(yield* outcome(lookup("minio.storage", strangers))).toBe("ENOTFOUND")
      expect(namesOf(names)).toEqual(["minio.storage"])
    })
  )

  it.effect("a name of the operator is completed as the system's resolver does it", () =>
    Effect.gen(function* () {
      const names = yield* server
      const lookup = NameLookup.make({ servers: [names.at], ...(yield* files("", cluster)) })
      expect(yield* outcome(lookup("minio.storage", { search: true }))).toBe("4 10.1.2.3")
      expect(namesOf(names)).toEqual(["minio.storage.default.svc.cluster.local", minio])
      // with the usual one dot a complete name is tried first
      const usual = NameLookup.make({ servers: [names.at], ...(yield* files("", "domain svc.cluster.local\n")) })
      expect(yield* outcome(usual(minio, { search: true }))).toBe("4 10.1.2.3")
      expect(namesOf(names).slice(2)).toEqual([minio])
    })
  )

  it.effect("a name server that fails ends the search", () =>
    Effect.gen(function* () {
      const names = yield* NameServer.silent
      const lookup = NameLookup.make({ servers: [names.at], ...(yield* files("", cluster)) })
      const one = yield* Effect.forkChild(outcome(lookup("minio.storage", { search: true })))
      yield* asking(names, 1)
      yield* TestClock.adjust("5 seconds")
      expect(yield* Fiber.join(one)).toBe("name server: ETIMEOUT")
      expect(names.names().size).toBe(1)
    })
  )
})
