/**
 * Excerpt: what of a provider's text may be kept with an error. Logs and dead letters are read by people, so neither
 * the key nor a picture may be in it.
 */
const limit = 200

/**
 * At most 200 characters of `text` on one line. The key is cut out before the text is shortened (half a key is a key
 * too), data URLs and other long unbroken base64 runs are replaced.
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
