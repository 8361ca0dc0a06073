/**
 * news.js: loads the rest of the list when the reader comes near its end: fetches the page behind `More` and takes the cards and
 * the next `More` from it. Without this file the links do the same. It also applies the language chosen on the main page, and
 * hides pictures that cannot be loaded.
 */

const STORAGE_KEY = "eco2.language"
const here = new URL(location.href)

/** @returns {string | null} */
const keptLanguage = () => {
  try {
    return localStorage.getItem(STORAGE_KEY)
  } catch {
    // storage may be forbidden; then the address alone decides
    return null
  }
}

const language = document.documentElement.lang
const kept = keptLanguage()
if (!here.searchParams.has("lang") && (kept === "ko" || kept === "en") && kept !== language) {
  here.searchParams.set("lang", kept)
  location.replace(here)
}

document.getElementById("language")?.addEventListener("click", () => {
  try {
    localStorage.setItem(STORAGE_KEY, language === "ko" ? "en" : "ko")
  } catch {
    // as above
  }
})

// ---- pictures

/** @param {Element} image */
const giveUp = (image) => {
  image.closest(".picture")?.classList.add("none")
  image.remove()
}
document.addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLImageElement && target.closest(".picture") !== null) giveUp(target)
  },
  true
)
for (const image of document.querySelectorAll(".picture img")) {
  if (image instanceof HTMLImageElement && image.complete && image.naturalWidth === 0) giveUp(image)
}

// ---- the next page

const articles = document.getElementById("articles")
const announce = document.getElementById("announce")
let loading = false

/** @param {string} text */
const say = (text) => {
  if (announce !== null) announce.textContent = text
}

/** How long a hanging server is waited for. */
const patienceMillis = 15_000

/** Appends the page behind `More`. @param {HTMLAnchorElement} more */
const load = async (more) => {
  if (loading || articles === null) return
  loading = true
  const label = more.textContent ?? ""
  more.textContent = more.dataset.loading ?? label
  more.setAttribute("aria-busy", "true")
  try {
    const response = await fetch(more.href, { signal: AbortSignal.timeout(patienceMillis) })
    if (!response.ok) throw new Error(`status ${response.status}`)
    const page = new DOMParser().parseFromString(await response.text(), "text/html")
    const known = new Set([...articles.children].map((card) => card.getAttribute("data-id")))
    for (const card of page.querySelectorAll("#articles > li")) {
      if (!known.has(card.getAttribute("data-id"))) articles.append(card)
    }
    const next = page.getElementById("more") ?? page.getElementById("end")
    say(more.dataset.loaded ?? "")
    if (next === null) more.remove()
    else more.replaceWith(next)
    loading = false
    watch()
  } catch {
    // nothing was added: pressing `More` tries again
    loading = false
    more.removeAttribute("aria-busy")
    more.textContent = more.dataset.failed ?? label
    say(more.textContent)
    observer.disconnect()
  }
}

const observer = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting && target instanceof HTMLAnchorElement) void load(target)
    }
  },
  { rootMargin: "800px" }
)

function watch() {
  observer.disconnect()
  const more = document.getElementById("more")
  if (!(more instanceof HTMLAnchorElement)) return
  more.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    void load(more)
  })
  observer.observe(more)
}
watch()
