/**
 * Address: addresses of pages and pictures as their publishers write them. Pure. An address is kept as it came: a query that is
 * decoded and written anew is another one (EUC-KR), and so is a path in other case. Only what no browser could follow is
 * completed. Which hosts may be asked is GuardedFetch's.
 */

const isWeb = (url: URL | null): url is URL => url !== null && /^https?:$/.test(url.protocol)

/** A host without its scheme: `www.press.example/a/1`. */
const hostOnly = /^(?:www|m|news)\.[^\s/?#.]+\.[^\s/?#]+(?:[/?#]|$)/i

/** Absolute and http or https, or ""; a relative one is resolved against `base`. */
export const absolute = (written: string, base: string): string => {
  const text = written.trim().replace(/[\t\n\r]/g, "")
  if (text === "") return ""
  if (/^https?:\/\//i.test(text)) {
    const url = URL.parse(text)
    if (!isWeb(url)) return ""
    // browsers write these anew; NUL and half of a surrogate pair could not be stored
    return /[\s"<>\\^`{|}\p{Cc}\p{Cs}]/u.test(text) ? url.href : text
  }
  const url = URL.parse(hostOnly.test(text) ? `http://${text}` : text, base)
  return isWeb(url) ? url.href : ""
}

/** A page's address that its source may have written without a scheme; "" if it is none. */
export const ofPage = (written: string): string => {
  const text = written.trim()
  const hasHost = /^[\w-]+(?:\.[\w-]+)+(?:[:/?#]|$)/.test(text)
  return absolute(text.startsWith("//") || !hasHost ? text.replace(/^\/\//, "http://") : `http://${text}`, "")
}

/** Endings of files that are no pictures, though feeds and pages offer them as such. */
const otherFiles =
  /\.(?:mp4|m4v|m4a|mov|avi|wmv|flv|webm|mkv|mpe?g|3gp|m3u8|mpd|ts|mp3|aac|ogg|oga|ogv|wav|flac|pdf|zip|html?|swf|js|css)$/i
/** What programs write where they have no picture. */
const nothing = /(?:^|\/)(?:undefined|null|none|nil|nan|false|true|\[object(?:%20| )object\]|%7b.*%7d|\{.*\})\/?$/i

/**
 * The address of a picture, absolute, or "" if it cannot be one: `data:`, a film or sound, a word for nothing, a page.
 * - `type`: the media type that is said of it, if any
 */
export const ofPicture = (written: string, base: string, type = ""): string => {
  const text = written.trim()
  if (text === "" || text === "#" || nothing.test(text)) return ""
  if (type !== "" && !/^image(?:\/|$)/i.test(type.trim())) return ""
  const url = URL.parse(absolute(text, base))
  if (url === null || nothing.test(url.pathname) || otherFiles.test(url.pathname)) return ""
  // the site itself, without a file
  return url.pathname === "/" && url.search === "" ? "" : absolute(text, base)
}
