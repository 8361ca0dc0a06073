/** Address: the screen and its filters are in the address's hash, so that every view is a link: `#jobs?state=parked`. */

/** @returns {{ readonly screen: string, readonly query: URLSearchParams }} */
export const read = () => {
  const [screen = "", query = ""] = location.hash.slice(1).split("?")
  return { screen: screen === "" ? "overview" : screen, query: new URLSearchParams(query) }
}

/** @param {string} screen @param {Record<string, string | null | undefined>} [query] */
export const hrefOf = (screen, query = {}) => {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "")
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return text === "" ? `#${screen}` : `#${screen}?${text}`
}

/** The present view with some filters changed; null takes one out. @param {Record<string, string | null>} changes */
export const withChanges = (changes) => {
  const { query, screen } = read()
  return hrefOf(screen, { ...Object.fromEntries(query), ...changes })
}
