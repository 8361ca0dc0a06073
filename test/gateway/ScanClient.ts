/** ScanClient: a client of the scan API: sends requests, returns the responses, and checks nothing. */

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Parsed JSON; the text if it is not JSON; null for an empty body. */
  readonly body: unknown
}

/** A picture that is never fetched: the simulated and the fake models get its address only. */
export const photo = "https://images.example.com/bottle.jpg"
export const tinyPng = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64"
)
export const dataUrl = (bytes: Uint8Array, type = "image/png"): string =>
  `data:${type};base64,${Buffer.from(bytes).toString("base64")}`

export const read = async (response: Response): Promise<Answer> => {
  const text = await response.text()
  let body: unknown = text === "" ? null : text
  try {
    body = JSON.parse(text)
  } catch {
    // not JSON: returns the text itself
  }
  return { status: response.status, headers: response.headers, body }
}

/** A field of a body; undefined if it is missing. */
export const field = (body: unknown, name: string): unknown =>
  typeof body === "object" && body !== null ? Object.entries(body).find(([key]) => key === name)?.[1] : undefined

export interface Client {
  readonly url: (path: string) => string
  readonly headers: Readonly<Record<string, string>>
  readonly get: (path: string, headers?: Readonly<Record<string, string>>) => Promise<Answer>
  readonly remove: (path: string, headers?: Readonly<Record<string, string>>) => Promise<Answer>
  /** POST /api/v1/scan with this body: an object as JSON, text unchanged. */
  readonly submit: (body: unknown, headers?: Readonly<Record<string, string>>) => Promise<Answer>
  /** Submits a scan that must be accepted; its job id. */
  readonly accepted: (body?: unknown, headers?: Readonly<Record<string, string>>) => Promise<string>
  readonly result: (id: string) => Promise<Answer>
  readonly eventsUrl: (id: string) => string
  /** The result once there is one. */
  readonly finished: (id: string) => Promise<Answer>
}

/** `user` null: no user. */
export const client = (serving: { readonly address: string }, user: string | null = "ann"): Client => {
  const own: Readonly<Record<string, string>> = user === null ? {} : { "x-user-id": user }
  const url = (path: string) => `${serving.address}${path}`
  const call = async (method: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
    read(await fetch(url(path), { method, headers: { ...own, ...headers } }))
  const submit = async (body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    read(
      await fetch(url("/api/v1/scan"), {
        method: "POST",
        headers: { "content-type": "application/json", ...own, ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body)
      })
    )
  const result = (id: string) => call("GET", `/api/v1/scan/${id}/result`)
  const eventsUrl = (id: string) => url(`/api/v1/scan/${id}/events`)
  return {
    url,
    headers: own,
    get: (path, headers) => call("GET", path, headers),
    remove: (path, headers) => call("DELETE", path, headers),
    submit,
    accepted: async (body = { image_url: photo }, headers = {}) => {
      const answer = await submit(body, headers)
      if (answer.status !== 202) throw new Error(`not accepted: ${answer.status} ${JSON.stringify(answer.body)}`)
      return String(field(answer.body, "job_id"))
    },
    result,
    eventsUrl,
    finished: async (id) => {
      // the stream ends with the job, so there is nothing to poll
      await (await fetch(eventsUrl(id), { headers: own })).text()
      return result(id)
    }
  }
}
