/**
 * news.js: loads the rest of the list when the reader comes near its end: fetches the page behind `More` and takes the cards and
 * the next `More` from it. Without this file the links do the same. It also remembers the language that the reader chooses, in the
 * main page's cookie, and hides pictures that cannot be loaded.
 */

const COOKIE = "eco2_language"
const YEAR_SECONDS = 31_536_000

document.getElementById("language")?.addEventListener("click", () => {
  const other = document.documentElement.lang === "ko" ? "en" : "ko"
  document.cookie = `${COOKIE}=${other}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`
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
