/** The Dockerfile's instructions; test/e2e/image.test.ts builds and runs its set of files. */
import { globSync, readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { Schema } from "effect"
import * as Dockerfile from "../harness/Dockerfile.ts"
import { checkout, dockerfile } from "../harness/ImageFolder.ts"
import { entries } from "../harness/Process.ts"

const Manifest = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.String,
    workspaces: Schema.Array(Schema.String),
    optionalDependencies: Schema.Record(Schema.String, Schema.String)
  })
)
const manifest = Schema.decodeUnknownSync(Manifest)(readFileSync(`${checkout}package.json`, "utf8"))
const workspaces = globSync(
  manifest.workspaces.map((pattern) => `${pattern}/package.json`),
  { cwd: checkout }
)
const { args, stages } = dockerfile()
const last = stages.at(-1)!
const packages = stages[0]!
const copies = Dockerfile.copiesOf(last)
/** Paths of the checkout that an image has, files and folders. */
const taken = copies.flatMap(({ from, sources }) => (from === null ? sources : []))
const isTaken = (path: string) =>
  taken.some((source) => source === path || (source.endsWith("/") && path.startsWith(source)))

describe("the Dockerfile", () => {
  it("the image has every role's main file, the command line, and every workspace's manifest", () => {
    const wanted = [...Object.values(entries), "deploy/cli/main.ts", ...workspaces]
    expect(workspaces).toHaveLength(5)
    expect(wanted.filter((path) => !isTaken(path))).toEqual([])
  })

  it("the image installs from the lock file alone, without development packages or the packaged Node", () => {
    const given = Dockerfile.copiesOf(packages).flatMap(({ sources }) => sources)
    expect(given.toSorted()).toEqual([".npmrc", "package-lock.json", "package.json", ...workspaces].toSorted())
    const [install, ...pruned] = Dockerfile.linesOf(packages, "RUN")
    expect(install).toBe("npm ci --omit=dev --omit=optional --ignore-scripts")
    for (const command of pruned) expect(command).toMatch(/^find node_modules .* && +rm -rf( node_modules\/\S+)+$/)
  })

  it("the image runs the version of Node that the tests run on, on the Debian that it was made for", () => {
    const ofNode = Object.entries(manifest.optionalDependencies).filter(([name]) => name.startsWith("node-"))
    expect(new Set(ofNode.map(([, version]) => version))).toEqual(new Set([args.NODE_VERSION]))
    expect(stages.map(({ base }) => base)).toEqual([`node:${args.NODE_VERSION}-bookworm-slim`, "debian:bookworm-slim"])
    expect(copies.map(({ from, sources }) => [from, ...sources])).toContainEqual(["packages", "/usr/local/bin/node"])
  })

  it("the image runs as a user who may write none of its files, and starts node with a role's file", () => {
    expect(copies.map(({ mode, sources, to }) => [to, sources.length > 0, mode])).toEqual(
      copies.map(({ to }) => [to, true, 0o555])
    )
    expect(Dockerfile.linesOf(last, "USER")).toEqual(["10001:10001"])
    expect(Dockerfile.linesOf(last, "ENTRYPOINT")).toEqual(['["node"]'])
    expect(Dockerfile.linesOf(last, "WORKDIR")).toEqual(["/app"])
  })

  it("the image has no installer: its last stage runs nothing, and takes packages and `node` alone from the first", () => {
    expect(Dockerfile.linesOf(last, "RUN")).toEqual([])
    expect(copies.flatMap(({ from, sources }) => (from === null ? [] : sources)).toSorted()).toEqual([
      "/app/node_modules/",
      "/usr/local/bin/node"
    ])
  })

  it("the image's health check needs only node, and its labels say what it is", () => {
    expect(Dockerfile.linesOf(last, "HEALTHCHECK")).toEqual([expect.stringMatching(/CMD \["node", "-e", .*\/healthz/)])
    const labels = Dockerfile.linesOf(last, "LABEL").join(" ")
    for (const label of ["title", "description", "licenses", "version", "revision"])
      expect(labels).toContain(`org.opencontainers.image.${label}=`)
    expect(Dockerfile.linesOf(last, "ARG")).toContain(`VERSION=${manifest.version}`)
  })

  it("the image's ignore file lets in what it copies, and no more", () => {
    const allowed = readFileSync(`${checkout}deploy/docker/Dockerfile.dockerignore`, "utf8")
      .split("\n")
      .flatMap((line) => (line.startsWith("!") ? [line.slice(1)] : []))
    const wanted = [...taken, ...Dockerfile.copiesOf(packages).flatMap(({ sources }) => sources)]
    const within = (path: string, folder: string) => path.replace(/\/$/, "") === folder || path.startsWith(`${folder}/`)
    expect(wanted.filter((path) => !allowed.some((folder) => within(path, folder)))).toEqual([])
    expect(allowed.filter((folder) => !wanted.some((path) => within(path, folder)))).toEqual([])
  })
})
