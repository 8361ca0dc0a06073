/** Element: builds DOM nodes. It sets text only, so that nothing from a server is ever parsed as markup. */

import { t } from "./words.js"

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * An element with attributes and children; absent ones are left out. `on…` attributes are listeners.
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {ReadonlyArray<Child>} [children]
 * @returns {HTMLElement}
 */
export const element = (tag, attributes = {}, children = []) => {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), /** @type {EventListener} */ (value))
    else if (value === true) node.setAttribute(name, "")
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value))
  }
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false)
      node.append(typeof child === "number" ? String(child) : child)
  }
  return node
}

/** @param {string} id @returns {HTMLElement} */
export const byId = (id) => {
  const node = document.getElementById(id)
  if (node === null) throw new Error(`the console has no #${id}`)
  return node
}

/** @param {string} label @param {() => void} onclick @param {Record<string, unknown>} [attributes] */
export const button = (label, onclick, attributes = {}) =>
  element("button", { type: "button", ...attributes, onclick }, [label])

/** @param {string} href @param {Child} text @param {Record<string, unknown>} [attributes] */
export const link = (href, text, attributes = {}) => element("a", { href, ...attributes }, [text])

/** A mark with its meaning in words. @param {string} kind the style @param {string} text */
export const mark = (kind, text) => element("span", { class: `mark ${kind}` }, [text])

/**
 * A table. `rows` are cells; a cell may be a node.
 * @param {string} label
 * @param {ReadonlyArray<string | { readonly text: string, readonly number: boolean }>} heads
 * @param {ReadonlyArray<{ readonly cells: ReadonlyArray<Child>, readonly attributes?: Record<string, unknown> }>} rows
 */
export const table = (label, heads, rows) => {
  const isNumber = heads.map((head) => typeof head !== "string" && head.number)
  return element("div", { class: "table", tabindex: "0", role: "region", "aria-label": label }, [
    element("table", {}, [
      element("thead", {}, [
        element(
          "tr",
          {},
          heads.map((head, i) =>
            element("th", { scope: "col", class: isNumber[i] && "number" }, [
              typeof head !== "string"
                ? head.text
                : head === ""
                  ? element("span", { class: "unseen" }, [t("acts")])
                  : head
            ])
          )
        )
      ]),
      element(
        "tbody",
        {},
        rows.map(({ attributes = {}, cells }) =>
          element(
            "tr",
            attributes,
            cells.map((cell, i) => element("td", { class: isNumber[i] && "number" }, [cell]))
          )
        )
      )
    ])
  ])
}
