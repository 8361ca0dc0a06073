/** RawRequest: sends a request whose target is not normalised; `fetch` would normalise it. */
import { request } from "node:http"
import type { IncomingHttpHeaders } from "node:http"

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export const send = (
  address: string,
  target: string,
  options: {
    readonly method?: string
    /** A list sends the header once for each value. */
    readonly headers?: Readonly<Record<string, string | Array<string>>>
    readonly body?: string
  } = {}
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(address)
    const sent = request(
      { hostname, port, path: target, method: options.method ?? "GET", headers: options.headers, agent: false },
      (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString("utf8")
          })
        )
        response.on("error", reject)
      }
    )
    sent.setTimeout(10_000, () => sent.destroy(new Error("no answer within 10 s")))
    sent.on("error", reject)
    sent.end(options.body)
  })
