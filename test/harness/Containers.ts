/**
 * Containers: builds the image from its Dockerfile with buildah and runs it with podman, under a memory limit and with a read-only
 * root. Images are kept in a storage of the tests' own, not in the user's. Where no registry answers, the two bases are made here:
 * Debian by debootstrap, and Node and npm of this machine on it. Containers share the host's network.
 */
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { homedir, tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { checkout, dockerfile } from "./ImageFolder.ts"
import { nodePath } from "./Process.ts"

/** Outside the checkout, whose files tools read. */
const storage = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "eco2", "containers")
const find = (name: string) =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(existsSync)

interface Ran {
  readonly code: number
  readonly output: string
  readonly errors: string
}
const run = (program: string, words: ReadonlyArray<string>, seconds: number): Promise<Ran> =>
  new Promise((resolve) => {
    const options = { timeout: seconds * 1_000, maxBuffer: 64 << 20, cwd: checkout }
    execFile(program, words, options, (error, output, errors) =>
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : 1, output, errors })
    )
  })
const must = async (program: string, words: ReadonlyArray<string>, seconds = 60): Promise<string> => {
  const { code, errors, output } = await run(program, words, seconds)
  if (code !== 0)
    throw new Error(`${program} ${words.join(" ")} ended with ${code}:\n${(output + errors).slice(-3_000)}`)
  return output.trim()
}
const stored = ["--root", join(storage, "root"), "--runroot", join(storage, "run")]
const buildah = (words: ReadonlyArray<string>, seconds?: number) => must("buildah", [...stored, ...words], seconds)
/** runc, where there is one: it knows every version of cgroups. */
const podman = [
  ...stored,
  "--cgroup-manager",
  "cgroupfs",
  ...(find("runc") === undefined ? [] : ["--runtime", find("runc")!])
]
/** Also for a user who may not raise limits. */
const limits = ["--ulimit", "nofile=10000:10000", "--ulimit", "nproc=1000:1000"]

/** Why containers cannot be tried here; undefined where they can. */
export const missing = (): string | undefined => {
  const lacking = ["buildah", "podman", "npm"].filter((name) => find(name) === undefined)
  if (lacking.length > 0) return `${lacking.join(", ")} not installed`
  return process.getuid?.() === 0 ? undefined : "only root may build and run them"
}

/** Debian by debootstrap, without what the image of that name leaves out. */
const makeDebian = async (name: string): Promise<void> => {
  if (find("debootstrap") === undefined) throw new Error("no registry answers, and debootstrap is not installed")
  const folder = mkdtempSync(join(tmpdir(), "eco2-debian-"))
  try {
    await must("debootstrap", ["--variant=minbase", "bookworm", folder], 600)
    for (const path of [
      "var/cache/apt",
      "var/lib/apt/lists",
      ...["doc", "man", "locale", "info"].map((one) => `usr/share/${one}`)
    ])
      rmSync(join(folder, path), { recursive: true, force: true })
    const container = await buildah(["from", "scratch"])
    await buildah(["add", "-q", container, folder, "/"], 120)
    await buildah(["commit", "-q", "--rm", container, name], 120)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
const makeNode = async (name: string, debian: string): Promise<void> => {
  const npm = join(dirname(realpathSync(find("npm")!)), "..")
  const container = await buildah(["from", "--pull-never", debian])
  await buildah(["copy", "-q", container, realpathSync(nodePath()), "/usr/local/bin/node"])
  await buildah(["copy", "-q", container, npm, "/usr/local/lib/node_modules/npm"])
  const link = ["ln", "-s", "../lib/node_modules/npm/bin/npm-cli.js", "/usr/local/bin/npm"]
  await buildah(["run", "--isolation", "chroot", container, ...link])
  await buildah(["commit", "-q", "--rm", container, name], 120)
}

/** The bases of the Dockerfile's stages, pulled or made; how. */
const ensureBases = async (): Promise<string> => {
  const [node = "", debian = ""] = dockerfile().stages.map(({ base }) => `docker.io/library/${base}`)
  const has = async (name: string) =>
    (await run("buildah", [...stored, "inspect", "--type", "image", name], 60)).code === 0
  const pulls = async (name: string) => (await run("buildah", [...stored, "pull", "-q", name], 300)).code === 0
  let how = "bases as they were"
  for (const [name, make] of [
    [debian, () => makeDebian(debian)],
    [node, () => makeNode(node, debian)]
  ] as const) {
    if (await has(name)) continue
    how = "bases pulled"
    if (await pulls(name)) continue
    how = "bases made by debootstrap, without a registry"
    await make()
  }
  return how
}

export interface Image {
  readonly name: string
  readonly bytes: number
  /** Where its bases are from. */
  readonly how: string
  /** HEALTHCHECK's command. */
  readonly healthcheck: ReadonlyArray<string>
}

/** Builds the image as `docker build` does, with npm's configuration and cache of this machine. */
export const build = async (): Promise<Image> => {
  mkdirSync(storage, { recursive: true })
  const how = await ensureBases()
  const folder = mkdtempSync(join(tmpdir(), "eco2-npm-"))
  try {
    const own = join(homedir(), ".npmrc")
    const npmrc = join(folder, "npmrc")
    writeFileSync(npmrc, `${existsSync(own) ? readFileSync(own, "utf8") : ""}\nprefer-offline=true\n`)
    const cache = await must("npm", ["config", "get", "cache"])
    const mounts = [`${npmrc}:/root/.npmrc:ro`, `${cache}:/root/.npm`]
    if (existsSync("/etc/ssl/certs")) mounts.push("/etc/ssl/certs:/etc/ssl/certs:ro")
    const name = "localhost/eco2-test"
    await buildah(
      [
        ...[
          "bud",
          "--isolation",
          "chroot",
          "--pull-never",
          "--network",
          "host",
          "--format",
          "docker",
          "--layers=false"
        ],
        ...["--ignorefile", "deploy/docker/Dockerfile.dockerignore", "-f", "deploy/docker/Dockerfile"],
        ...mounts.flatMap((mount) => ["-v", mount]),
        ...["-t", name, "."]
      ],
      600
    )
    const inspected: unknown = JSON.parse(await must("podman", [...podman, "image", "inspect", name]))
    const [{ HealthCheck, Healthcheck, Size }] = inspected as [
      {
        readonly Size: number
        readonly HealthCheck?: { readonly Test: ReadonlyArray<string> }
        readonly Healthcheck?: { readonly Test: ReadonlyArray<string> }
      }
    ]
    const [, ...healthcheck] = (HealthCheck ?? Healthcheck)?.Test ?? []
    return { name, bytes: Size, how, healthcheck }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Undefined if this machine runs containers of this image with a memory limit; else why not. */
export const refusal = async ({ name }: Image): Promise<string | undefined> => {
  const words = ["run", "--rm", "--pull=never", "--no-healthcheck", "--network", "host", "--memory", "256m", ...limits]
  const { code, errors } = await run("podman", [...podman, ...words, name, "--version"], 120)
  return code === 0 ? undefined : (errors.trim().split("\n").at(-1) ?? "podman failed")
}

export interface Container {
  readonly logs: () => Promise<string>
  /** Runs a command in it; its exit code. */
  readonly exec: (words: ReadonlyArray<string>) => Promise<number>
  /** SIGTERM; its exit code, and whether it went beyond its memory. */
  readonly stop: () => Promise<{ readonly code: number; readonly outOfMemory: boolean }>
  readonly remove: () => Promise<void>
}

/** Starts a container as the chart does: read-only, `/tmp` writable, without capabilities, under a memory limit. */
export const start = async (
  image: Image,
  options: {
    readonly main: string
    readonly env: Readonly<Record<string, string>>
    /** As in Kubernetes: `384Mi`, `1Gi`. */
    readonly memory: string
  }
): Promise<Container> => {
  const id = await must("podman", [
    ...podman,
    ...["run", "--detach", "--pull=never", "--no-healthcheck", "--network", "host", "--read-only", "--tmpfs", "/tmp"],
    ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
    ...["--memory", options.memory.toLowerCase().replace("i", ""), ...limits],
    ...Object.entries(options.env).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    ...[image.name, options.main]
  ])
  return {
    logs: async () => {
      const { errors, output } = await run("podman", [...podman, "logs", id], 60)
      return output + errors
    },
    exec: async (words) => (await run("podman", [...podman, "exec", id, ...words], 60)).code,
    stop: async () => {
      await must("podman", [...podman, "stop", "--time", "60", id], 120)
      const format = "{{.State.ExitCode}} {{.State.OOMKilled}}"
      const [code, killed] = (await must("podman", [...podman, "inspect", "--format", format, id])).split(" ")
      return { code: Number(code), outOfMemory: killed === "true" }
    },
    remove: async () => void (await run("podman", [...podman, "rm", "--force", "--time", "0", id], 60))
  }
}
