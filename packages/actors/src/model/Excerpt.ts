/**
 * Excerpt: the part of a provider's text that an error may quote. People read logs and dead letters, so it must contain
 * neither the key nor an image.
 */
const limit = 200

/**
 * At most 200 characters of `text` on one line. The key is removed before the text is shortened, because half a key is still
 * secret; data URLs and other long base64 runs are replaced.
 */
export const excerpt = (text: string, key: string): string => {
  const withoutKey = key === "" ? text : text.replaceAll(key, "[key]")
  return withoutKey
    .slice(0, 20_000)
    .replace(/data:[a-z]+\/[a-z0-9.+-]+;base64,[A-Za-z0-9+/=_-]*/gi, "[image]")
    .replace(/[A-Za-z0-9+/=_-]{60,}/g, "[…]")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, limit)
}
