/**
 * Excerpt: the part of a provider's text that an error may quote. People read logs and dead letters, so it must contain
 * neither the key, nor an image, nor what the user wrote, which providers like to repeat.
 */
const limit = 200
/** Shorter words say nothing of who wrote them, and stand in any text. */
const fewest = 4

/** The user's words as they are, and as a JSON text has them. */
const formsOf = (words: string) => [words, JSON.stringify(words).slice(1, -1)]

/**
 * Without the key, the user's words, data URLs and other long base64 runs. Key and words go first, because half of them is still
 * secret.
 */
const clean = (text: string, key: string, userWords: ReadonlyArray<string>): string =>
  userWords
    .filter((words) => words.length >= fewest)
    .flatMap(formsOf)
    .reduce((rest, words) => rest.replaceAll(words, "[question]"), key === "" ? text : text.replaceAll(key, "[key]"))
    .slice(0, 20_000)
    .replace(/data:[a-z]+\/[a-z0-9.+-]+;base64,[A-Za-z0-9+/=_-]*/gi, "[image]")
    .replace(/[A-Za-z0-9+/=_-]{60,}/g, "[…]")

/** At most 200 characters of `text` on one line, cleaned. */
export const excerpt = (text: string, key: string, userWords: ReadonlyArray<string> = []): string =>
  clean(text, key, userWords).replace(/\s+/g, " ").trim().slice(0, limit)

/** The beginning of `text`, at most `atMost` characters, cleaned; its lines are kept. */
export const beginning = (text: string, key: string, atMost: number): string =>
  clean(text, key, []).trim().slice(0, atMost)
