/** Element: builds and finds DOM nodes. It sets text only, so that nothing from a server is ever parsed as markup. */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * An HTML element with attributes and children; absent attributes and children are left out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | boolean | null | undefined>} [attributes]
 * @param {ReadonlyArray<Child>} [children]
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export const element = (tag, attributes = {}, children = []) => {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "")
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value)
  }
  for (const child of children) if (child !== null && child !== undefined && child !== false) node.append(child)
  return node
}

/**
 * A button that does something.
 * @param {string} label
 * @param {{ readonly testid: string, readonly kind?: string }} look
 * @param {() => void} onClick
 */
export const button = (label, { kind = "", testid }, onClick) => {
  const node = element("button", { type: "button", class: `button ${kind}`.trim(), "data-testid": testid }, [label])
  node.addEventListener("click", onClick)
  return node
}

/**
 * The element of index.html with this id.
 * @template {HTMLElement} [Kind=HTMLElement]
 * @param {string} id
 * @returns {Kind}
 */
export const byId = (id) => {
  const node = document.getElementById(id)
  if (node === null) throw new Error(`the page has no #${id}`)
  return /** @type {Kind} */ (node)
}

/** Shows a message in a paragraph that is hidden while empty. @param {HTMLElement} node @param {string} text */
export const say = (node, text) => {
  node.textContent = text
  node.hidden = text === ""
}
