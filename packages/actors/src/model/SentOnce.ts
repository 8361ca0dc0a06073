/**
 * SentOnce: the `fetch` that client libraries call a provider with. Deno's own sends a request again when its connection
 * ends without an answer, and a model call whose answer was lost would be billed twice; a body that is a stream cannot be
 * sent again. Node's sends once by itself.
 */
export const fetchOnce: typeof globalThis.fetch =
  process.versions.deno === undefined
    ? globalThis.fetch
    : (input, init) => {
        const text = init?.body
        if (typeof text !== "string") return globalThis.fetch(input, init)
        const body = new Blob([text]).stream()
        return globalThis.fetch(input, { ...init, body, duplex: "half" })
      }
