/**
 * Excerpt: the part of a provider's text that an error may quote. People read logs and dead letters, so it must contain
 * neither the key nor an image.
 */
const limit = 200

/** Without the key, data URLs and other long base64 runs. The key goes first, because half a key is still secret. */
const clean = (text: string, key: string): string =>
  (key === "" ? text : text.replaceAll(key, "[key]"))
    .slice(0, 20_000)
    .replace(/data:[a-z]+\/[a-z0-9.+-]+;base64,[A-Za-z0-9+/=_-]*/gi, "[image]")
    .replace(/[A-Za-z0-9+/=_-]{60,}/g, "[…]")

/** At most 200 characters of `text` on one line, cleaned. */
export const excerpt = (text: string, key: string): string =>
  clean(text, key).replace(/\s+/g, " ").trim().slice(0, limit)

/** The beginning of `text`, at most `atMost` characters, cleaned; its lines are kept. */
export const beginning = (text: string, key: string, atMost: number): string => clean(text, key).trim().slice(0, atMost)
