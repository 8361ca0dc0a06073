/**
 * App: the console as a whole: signing in, which screen is shown, the job beside it, and the keyboard. The address's hash says all
 * of it (address.js), so a view can be sent to a colleague.
 */
import { setMe } from "./act.js"
import { hrefOf, read, withChanges } from "./address.js"
import { ApiError, get, post, signIn } from "./api.js"
import { draw as drawDead, load as loadDead } from "./dead.js"
import { button, byId, element, link } from "./element.js"
import { draw as drawJob, load as loadJob } from "./job.js"
import { draw as drawJobs, load as loadJobs } from "./jobs.js"
import { audit, limits, processes, schedules } from "./lists.js"
import { draw as drawMailboxes, load as loadMailboxes } from "./mailboxes.js"
import { draw as drawTail, load as loadTail } from "./tail.js"
import { news } from "./news.js"
import { topics } from "./topics.js"
import { draw as drawOverview, load as loadOverview } from "./overview.js"
import { language, switchLanguage, t } from "./words.js"

/** @type {Record<string, { readonly load: (query: URLSearchParams) => Promise<any>, readonly draw: (data: any, again: () => void) => ReadonlyArray<any>, readonly every?: number }>} */
const screens = {
  overview: { load: loadOverview, draw: drawOverview, every: 10_000 },
  jobs: { load: loadJobs, draw: drawJobs },
  dead: { load: loadDead, draw: drawDead },
  mailboxes: { load: loadMailboxes, draw: drawMailboxes, every: 10_000 },
  processes: { ...processes, every: 10_000 },
  schedules,
  limits: { ...limits, every: 10_000 },
  news,
  topics: { ...topics, every: 10_000 },
  tail: { load: loadTail, draw: drawTail },
  audit
}

const [main, panel, tabs, whoBox] = [byId("main"), byId("panel"), byId("tabs"), byId("who")]
/** @type {{ who: string, role: string } | null} */
let me = null
/** Whether to ask who is signed in; the session itself is a cookie that scripts cannot see. */
const STORAGE_KEY = "eco2.console"
const wasSignedIn = () => {
  try {
    return localStorage.getItem(STORAGE_KEY) !== null
  } catch {
    return true // storage may be forbidden: ask
  }
}
const rememberSignIn = (/** @type {boolean} */ is) => {
  try {
    if (is) localStorage.setItem(STORAGE_KEY, "")
    else localStorage.removeItem(STORAGE_KEY)
  } catch {
    // as above
  }
}
/** Counts up with every look, so that a slow answer does not replace a newer one. */
let look = 0
/** The job beside the list. @type {string | null} */
let openJob = null

const nameOf = (/** @type {string} */ screen) => t(/** @type {any} */ (screen in screens ? screen : "overview"))

const drawFrame = () => {
  const { screen } = read()
  document.documentElement.lang = language()
  document.title = me === null ? `${t("signIn")} · Eco²` : `${nameOf(screen)} · Eco²`
  byId("skip").textContent = t("skip")
  tabs.setAttribute("aria-label", t("overview"))
  tabs.hidden = me === null
  tabs.replaceChildren(
    ...Object.keys(screens).map((name) =>
      link(hrefOf(name), nameOf(name), name === screen ? { "aria-current": "page" } : {})
    )
  )
  const other = button(
    t("otherLanguage"),
    () => {
      switchLanguage()
      void show()
    },
    { lang: language() === "ko" ? "en" : "ko", class: "quiet", "data-testid": "language" }
  )
  whoBox.replaceChildren(
    ...(me === null
      ? [other]
      : [
          element("span", { "data-testid": "me" }, [
            `${me.who} · ${t(me.role === "operator" ? "operator" : "viewer")}`
          ]),
          button("?", help, { class: "quiet", "aria-label": t("keys"), title: t("keys") }),
          other,
          button(
            t("signOut"),
            async () => {
              await post("/session/end").catch(() => null)
              await leave()
            },
            { class: "quiet", "data-testid": "sign-out" }
          )
        ])
  )
}

/** Back to signing in. */
const leave = async () => {
  me = null
  setMe(null)
  rememberSignIn(false)
  closePanel()
  drawFrame()
  drawSignIn()
}

const drawSignIn = () => {
  const problem = element("p", { class: "problem", role: "alert", id: "sign-in-problem", hidden: true })
  const name = /** @type {HTMLInputElement} */ (
    element("input", { id: "name", autocomplete: "username", required: true, maxlength: 64, "data-testid": "name" })
  )
  const secret = /** @type {HTMLInputElement} */ (
    element("input", {
      id: "secret",
      type: "password",
      autocomplete: "current-password",
      required: true,
      "data-testid": "secret",
      "aria-describedby": "sign-in-problem"
    })
  )
  const form = element(
    "form",
    {
      class: "sign-in",
      onsubmit: async (/** @type {Event} */ event) => {
        event.preventDefault()
        try {
          me = await signIn(name.value.trim(), secret.value)
          rememberSignIn(true)
          setMe(me)
          await show()
          main.focus()
        } catch (error) {
          problem.hidden = false
          problem.textContent = error instanceof ApiError && error.status === 403 ? t("wrongSecret") : String(error)
          secret.focus()
        }
      }
    },
    [
      element("h1", {}, [t("signIn")]),
      element("p", {}, [t("signInNote")]),
      element("label", { for: "name" }, [t("name")]),
      name,
      element("label", { for: "secret" }, [t("secret")]),
      secret,
      problem,
      element("button", { class: "primary", "data-testid": "sign-in" }, [t("signIn")])
    ]
  )
  main.replaceChildren(form)
  name.focus()
}

/** What a failed look means. @param {unknown} error @returns {boolean} whether it was dealt with */
const isSignedOut = (error) => {
  if (!(error instanceof ApiError) || error.status !== 403) return false
  void leave()
  return true
}

/** Keeps the row of the keyboard when a table is drawn anew. */
const keepingRow = (/** @type {() => void} */ redraw) => {
  const active = document.activeElement
  const key = active?.closest("tr")?.getAttribute("data-key")
  const wasRow = active?.tagName === "TR"
  redraw()
  if (key === null || key === undefined) return
  const row = main.querySelector(`tr[data-key="${CSS.escape(key)}"]`)
  const target = wasRow ? row : row?.querySelector("a, button")
  if (target instanceof HTMLElement) target.focus({ preventScroll: true })
}

/** Shows the screen of the address. */
const show = async () => {
  const mine = ++look
  const { query, screen } = read()
  const { draw, load } = screens[screen] ?? screens["overview"] ?? { draw: () => [], load: async () => null }
  drawFrame()
  if (me === null) return drawSignIn()
  const isOther = main.dataset["screen"] !== screen
  if (isOther) main.replaceChildren(element("p", { class: "soft", role: "status" }, [t("loading")]))
  main.dataset["screen"] = screen
  void showJob(query.get("job"))
  const again = () => void show()
  const heading = element("div", { class: "heading" }, [
    element("h1", {}, [nameOf(screen)]),
    button(t("refresh"), again, { class: "quiet", "data-testid": "refresh" })
  ])
  try {
    const data = await load(query)
    if (mine !== look) return
    keepingRow(() => main.replaceChildren(heading, ...draw(data, again).filter((part) => part instanceof Node)))
  } catch (error) {
    if (mine !== look || isSignedOut(error)) return
    main.replaceChildren(
      heading,
      element("p", { class: "problem", role: "alert" }, [
        t("failed", { reason: error instanceof Error ? error.message : String(error) })
      ])
    )
  }
}

const closePanel = () => {
  openJob = null
  panel.hidden = true
  panel.replaceChildren()
  document.body.classList.remove("with-panel")
}

/** @param {string | null} id */
const showJob = async (id) => {
  if (id === null) return closePanel()
  const isNew = openJob !== id
  openJob = id
  document.body.classList.add("with-panel")
  panel.hidden = false
  const head = element("div", { class: "heading" }, [
    element("h2", {}, [t("job")]),
    link(withChanges({ job: null }), t("close"), { class: "button", "data-testid": "close-job" })
  ])
  if (isNew) panel.replaceChildren(head, element("p", { class: "soft" }, [t("loading")]))
  try {
    const data = await loadJob(id)
    if (openJob !== id) return
    panel.replaceChildren(head, ...drawJob(data, () => void show()).filter((part) => part instanceof Node))
  } catch (error) {
    if (openJob !== id || isSignedOut(error)) return
    const text =
      error instanceof ApiError && error.status === 404
        ? t("noSuchJob")
        : error instanceof ApiError && error.status === 409
          ? t("unreadable")
          : String(error)
    panel.replaceChildren(head, element("p", { class: "problem" }, [text]))
  }
  if (isNew) panel.focus({ preventScroll: true })
}

function help() {
  const dialog = /** @type {HTMLDialogElement} */ (byId("dialog"))
  dialog.setAttribute("aria-labelledby", "dialog-title")
  dialog.replaceChildren(
    element("h2", { id: "dialog-title" }, [t("keys")]),
    ...t("keysNote")
      .split(" · ")
      .map((line) => element("p", {}, [line])),
    element("div", { class: "actions" }, [button(t("close"), () => dialog.close(), { class: "primary" })])
  )
  dialog.showModal()
}

const rows = () => [...main.querySelectorAll("tbody tr")].filter((row) => row instanceof HTMLElement)

/** @param {number} by */
const moveRow = (by) => {
  const all = rows()
  const at = all.findIndex((row) => row.contains(document.activeElement))
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + by))]
  if (next instanceof HTMLElement) next.focus()
}

document.addEventListener("keydown", (event) => {
  const { target } = event
  const isTyping = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement
  if (
    me === null ||
    isTyping ||
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    document.querySelector("dialog[open]")
  )
    return
  if (event.key === "j") moveRow(1)
  else if (event.key === "k") moveRow(-1)
  else if (event.key === "r") void show()
  else if (event.key === "d") location.hash = hrefOf("dead")
  else if (event.key === "?") help()
  else if (event.key === "Escape" && openJob !== null) location.hash = withChanges({ job: null })
  else if (event.key === "Enter" && target instanceof HTMLTableRowElement && target.dataset["href"] !== undefined)
    location.hash = target.dataset["href"]
  else return
  event.preventDefault()
})
window.addEventListener("hashchange", () => void show())

/** A screen that tells how things stand now is looked at again, while somebody sees it and nothing is asked. */
let shownAt = Date.now()
setInterval(() => {
  const { every } = screens[read().screen] ?? {}
  if (me === null || every === undefined || document.hidden || document.querySelector("dialog[open]")) return
  if (Date.now() - shownAt < every) return
  shownAt = Date.now()
  void show()
}, 1000)

const begin = async () => {
  try {
    me = wasSignedIn() ? await get("/session") : null
    setMe(me)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
  }
  await show()
}
void begin()
