/** RawRequest: sends a request as it is written and returns the answer as it came; `fetch` would normalise and decompress. */
import { request } from "node:http"
import type { IncomingHttpHeaders } from "node:http"

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** As text. */
  readonly body: string
  readonly bytes: Buffer
}

export const send = (
  address: string,
  target: string,
  options: {
    readonly method?: string
    /** A list sends the header once for each value. */
    readonly headers?: Readonly<Record<string, string | Array<string>>>
    readonly body?: string
    /** Of a stream that never ends: its headers are the answer. */
    readonly isEndless?: boolean
  } = {}
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(address)
    const sent = request(
      { hostname, port, path: target, method: options.method ?? "GET", headers: options.headers, agent: false },
      (response) => {
        if (options.isEndless === true && response.statusCode === 200) {
          resolve({ status: 200, headers: response.headers, body: "", bytes: Buffer.alloc(0) })
          return void response.destroy()
        }
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("end", () => {
          const bytes = Buffer.concat(chunks)
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes.toString("utf8"), bytes })
        })
        response.on("error", reject)
      }
    )
    sent.setTimeout(10_000, () => sent.destroy(new Error("no answer within 10 s")))
    sent.on("error", reject)
    sent.end(options.body)
  })
