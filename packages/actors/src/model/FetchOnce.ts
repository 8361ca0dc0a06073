/**
 * FetchOnce: the `fetch` that the client libraries use. Deno's own fetch resends a request whose connection ends without a
 * response, and a model call whose answer was lost would be billed twice; a body that is a stream cannot be resent. Node's
 * fetch never resends.
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
