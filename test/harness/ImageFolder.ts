/**
 * ImageFolder: the image's files without Docker: the files that the Dockerfile's last stage copies, in an empty folder, and
 * nothing else of the checkout. Packages are installed as the Dockerfile does (`npm ci`, from npm's cache if possible), or linked
 * from the checkout if a test is about something else. All files are read-only.
 */
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync
} from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Dockerfile from "./Dockerfile.ts"
import { nodePath } from "./Process.ts"
import type { Installation } from "./Process.ts"

export const checkout = fileURLToPath(new URL("../../", import.meta.url))
export const dockerfile = (): Dockerfile.Dockerfile =>
  Dockerfile.parse(readFileSync(join(checkout, "deploy/docker/Dockerfile"), "utf8"))

export interface ImageFolder extends Installation {
  readonly node: string
  /** A folder of its user's own, the only one it may write to. */
  readonly scratch: string
  readonly remove: () => void
}

/** The user `nobody`, who owns none of the files. */
const nobody = 65_534

const lay = (sources: ReadonlyArray<string>, from: string, to: string): void => {
  for (const source of sources) {
    const path = join(from, source)
    const isFolder = statSync(path).isDirectory()
    // as COPY does: a folder's contents; a file under its name if the target is a folder
    const target = !isFolder && (to.endsWith("/") || sources.length > 1) ? join(to, basename(source)) : to
    cpSync(path, target, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (file) => file === path || isPackages(path) || !file.includes("/node_modules")
    })
  }
}
const isPackages = (path: string) => /\/node_modules\/?$/.test(path)

/** The stage with the packages, as a folder; it contains only what the stage copies. */
const installPackages = (stage: Dockerfile.Stage, folder: string): void => {
  mkdirSync(folder, { recursive: true })
  for (const { sources, to } of Dockerfile.copiesOf(stage)) lay(sources, checkout, `${join(folder, to)}/`)
  for (const command of Dockerfile.linesOf(stage, "RUN")) {
    const { status, stderr } = spawnSync("sh", ["-c", command], {
      cwd: folder,
      encoding: "utf8",
      timeout: 100_000,
      env: { ...process.env, npm_config_prefer_offline: "true", npm_config_loglevel: "error" }
    })
    if (status !== 0) throw new Error(`\`${command}\` failed:\n${stderr}`)
  }
}

/** Links to the checkout's packages; the workspaces are the folder's own. */
const borrowPackages = (folder: string): void => {
  const packages = join(checkout, "node_modules")
  mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(packages)) if (name !== "@eco2") symlinkSync(join(packages, name), join(folder, name))
  cpSync(join(packages, "@eco2"), join(folder, "@eco2"), { recursive: true, verbatimSymlinks: true })
}

/** Removes all write permissions from this folder and everything below it. */
const seal = (path: string): void => {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name)
    if (entry.isDirectory()) seal(inner)
    else if (entry.isFile()) chmodSync(inner, 0o555)
  }
  chmodSync(path, 0o555)
}
const unseal = (path: string): void => {
  chmodSync(path, 0o755)
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) unseal(join(path, entry.name))
  }
}

export const make = (options: {
  readonly packages: "installed" | "borrowed"
  /** Changes its files before they become read-only. */
  readonly change?: (root: string) => void
}): ImageFolder => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "eco2-image-")))
  chmodSync(folder, 0o755)
  const app = join(folder, "app")
  mkdirSync(app)
  const { stages } = dockerfile()
  for (const { from, sources, to } of Dockerfile.copiesOf(stages.at(-1)!)) {
    // Node is that of the tests, below
    if (sources.includes("/usr/local/bin/node")) continue
    const target = to.endsWith("/") ? `${join(app, to)}/` : join(app, to)
    if (from === null) lay(sources, checkout, target)
    else if (options.packages === "borrowed") borrowPackages(target)
    else {
      const stage = join(folder, from)
      installPackages(
        stages.find(({ name }) => name === from)!,
        stage
      )
      // the stage's folder is /app
      const inStage = sources.map((source) => source.replace(/^\/app\//, ""))
      const [only = ""] = inStage
      // nobody else needs the stage: its packages, thousands of files, are moved
      if (inStage.length === 1 && isPackages(`/${only}`) && !existsSync(target)) renameSync(join(stage, only), target)
      else lay(inStage, stage, target)
      rmSync(stage, { recursive: true })
    }
  }
  options.change?.(`${app}/`)
  seal(app)
  // the folder of the tests' Node may not be accessible to other users
  const node = join(folder, "node")
  copyFileSync(realpathSync(nodePath()), node)
  chmodSync(node, 0o555)
  const scratch = join(folder, "tmp")
  mkdirSync(scratch, { mode: 0o777 })
  chmodSync(scratch, 0o777)
  return {
    root: `${app}/`,
    node,
    scratch,
    ...(process.getuid?.() === 0 ? { user: { uid: nobody, gid: nobody } } : {}),
    remove: () => {
      unseal(app)
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
