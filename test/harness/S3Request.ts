/**
 * S3Request: reads one object of a storage that speaks S3, by a signature of its own, so that what the gateway signs and stores is
 * checked independently: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
import { createHash, createHmac } from "node:crypto"

export interface Bucket {
  /** Origin, without a slash at its end. */
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")
const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest()

/** The bytes of an object; null if the storage has none. `key`: of letters that need no escape in a path. */
export const get = async (from: Bucket, key: string): Promise<Buffer | null> => {
  const url = new URL(`${from.endpoint}/${from.bucket}/${key}`)
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "")
  const scope = `${time.slice(0, 8)}/${from.region}/s3/aws4_request`
  const headers = { host: url.host, "x-amz-content-sha256": sha256(""), "x-amz-date": time }
  const names = Object.keys(headers).join(";")
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`)
  const request = ["GET", url.pathname, "", lines.join(""), names, headers["x-amz-content-sha256"]].join("\n")
  const signing = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${from.secretAccessKey}`)
  const signature = hmac(signing, ["AWS4-HMAC-SHA256", time, scope, sha256(request)].join("\n")).toString("hex")
  const { host: _, ...sent } = headers
  const authorization = `AWS4-HMAC-SHA256 Credential=${from.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  const answer = await fetch(url, { headers: { ...sent, authorization } })
  if (answer.status === 404) return null
  if (!answer.ok) throw new Error(`the storage answered ${answer.status} ${await answer.text()}`)
  return Buffer.from(await answer.arrayBuffer())
}
