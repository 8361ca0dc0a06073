/**
 * Views: filters of the jobs under a name, kept in this browser. A view is the address's query, so that opening one is following a
 * link; what a browser's storage has is not trusted to have the form.
 */
import { say } from "./act.js"
import { hrefOf } from "./address.js"
import { button, element, link } from "./element.js"
import { t } from "./words.js"

const STORAGE_KEY = "eco2.console.views"
/** Views that are kept; the form says so when there are as many. */
const MOST = 30
const LONGEST_NAME = 60

/** @typedef {{ readonly name: string, readonly query: string }} View */

/** @returns {ReadonlyArray<View>} */
const stored = () => {
  try {
    const found = /** @type {unknown} */ (JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "[]"))
    if (!Array.isArray(found)) return []
    return found.flatMap((/** @type {any} */ one) =>
      typeof one?.name === "string" && typeof one?.query === "string" ? [{ name: one.name, query: one.query }] : []
    )
  } catch {
    return [] // forbidden, or written by something else
  }
}
/** @param {ReadonlyArray<View>} views @returns {boolean} whether they are kept */
const store = (views) => {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(views))
    return true
  } catch {
    return false
  }
}

/** What of the address is a view: the filters, whatever their order; no page and no open job. @param {URLSearchParams} query */
const queryOf = (query) => {
  const kept = [...query].filter(([name]) => name !== "job" && name !== "cursor")
  return new URLSearchParams(kept.toSorted(([a], [b]) => (a < b ? -1 : 1))).toString()
}

/** The saved views, and a form that saves the present one. @param {string} screen @param {URLSearchParams} query */
export const drawViews = (screen, query) => {
  const present = queryOf(query)
  const box = element("section", { class: "views", "aria-label": t("views") })
  const input = /** @type {HTMLInputElement} */ (
    element("input", {
      "aria-label": t("viewName"),
      placeholder: t("viewName"),
      maxlength: LONGEST_NAME,
      required: true,
      autocomplete: "off",
      "data-testid": "view-name"
    })
  )
  /** @param {ReadonlyArray<View>} views @param {string} said @param {ReadonlyArray<Node>} [beside] */
  const keep = (views, said, beside) => {
    if (!store(views)) return say(t("viewNotKept"))
    redraw()
    say(said, beside)
  }
  /** @param {View} view */
  const remove = (view) => {
    const before = stored()
    const undo = button(t("undo"), () => {
      keep(before, t("undone"))
      input.focus()
    })
    keep(
      before.filter(({ name }) => name !== view.name),
      t("viewDeleted", { name: view.name }),
      [undo]
    )
    input.focus()
  }
  const save = (/** @type {Event} */ event) => {
    event.preventDefault()
    const name = input.value.trim()
    const others = stored().filter((one) => one.name !== name)
    if (name === "") return
    if (others.length >= MOST) return say(t("viewsFull", { count: MOST }))
    input.value = ""
    keep([...others, { name, query: present }], t("viewSaved", { name }))
    const mine = [...box.querySelectorAll("a")].find((one) => one.textContent === name)
    mine?.focus()
  }
  const redraw = () =>
    box.replaceChildren(
      ...stored().map((view) =>
        element("span", { class: "view", "data-testid": "view" }, [
          link(
            hrefOf(screen, Object.fromEntries(new URLSearchParams(view.query))),
            view.name,
            view.query === present ? { "aria-current": "page" } : {}
          ),
          button("×", () => remove(view), {
            class: "quiet",
            "aria-label": t("deleteView", { name: view.name }),
            title: t("deleteView", { name: view.name }),
            "data-testid": "delete-view"
          })
        ])
      ),
      element("form", { onsubmit: save }, [
        input,
        element("button", { class: "quiet", "data-testid": "save-view" }, [t("saveView")])
      ])
    )
  redraw()
  return box
}
