/** Certificates: an authority made for one test, and certificates of it for servers and clients, as PEM files. */
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"

export const isInstalled = (): boolean => spawnSync("openssl", ["version"]).error === undefined

const openssl = (...words: ReadonlyArray<string>) => {
  const { error, status, stderr } = spawnSync("openssl", words, { encoding: "utf8" })
  if (error !== undefined || status !== 0) throw new Error(`openssl ${words[0]}: ${error?.message ?? stderr}`)
}
const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
const lasting = ["-days", "2"]

/** Paths of a certificate and its key. */
export interface Certificate {
  readonly certificate: string
  readonly key: string
}
export interface Authority {
  readonly ca: string
  /** - `names`: its subjectAltName, such as `IP:127.0.0.1` or `DNS:localhost` */
  readonly certify: (name: string, names: string) => Certificate
}

/** An authority whose files are in `folder` and begin with `name`. */
export const authority = (folder: string, name: string): Authority => {
  const at = (file: string) => join(folder, `${name}-${file}`)
  const [ca, caKey] = [at("ca.crt"), at("ca.key")]
  openssl("req", "-x509", ...newKey, ...lasting, "-subj", `/CN=${name}`, "-keyout", caKey, "-out", ca)
  return {
    ca,
    certify: (who, names) => {
      const [key, request, certificate, extensions] = ["key", "csr", "crt", "san"].map((end) => at(`${who}.${end}`))
      writeFileSync(extensions!, `subjectAltName=${names}`)
      openssl("req", ...newKey, "-subj", `/CN=${who}`, "-keyout", key!, "-out", request!)
      const signing = ["-CA", ca, "-CAkey", caKey, "-CAcreateserial", ...lasting, "-extfile", extensions!]
      openssl("x509", "-req", "-in", request!, ...signing, "-out", certificate!)
      return { certificate: certificate!, key: key! }
    }
  }
}
