/** Act: what changes something: asks first, shows progress, says what became of it. Viewers get no such buttons. */
import { button, byId, element } from "./element.js"
import { t } from "./words.js"

/** @type {{ who: string, role: string } | null} */
let me = null
/** @param {{ who: string, role: string } | null} who */
export const setMe = (who) => {
  me = who
}
export const isOperator = () => me?.role === "operator"

/** Tells screen readers, and shows for a while. @param {string} text @param {ReadonlyArray<Node>} [beside] */
export const say = (text, beside = []) => {
  byId("announce").textContent = text
  document.getElementById("toast")?.remove()
  const toast = element("div", { id: "toast", "data-testid": "toast" }, [text, ...beside])
  document.body.append(toast)
  // what can be undone stays until something else is said
  if (beside.length === 0) setTimeout(() => toast.remove(), 6000)
}

/**
 * Asks, and does it if the operator agrees; what `act` returns is said. A failure stays in the dialog.
 * @param {{ readonly title: string, readonly text: string | Node, readonly label?: string, readonly danger?: boolean, readonly act: (progress: (text: string) => void) => Promise<string>, readonly done?: () => void }} options
 */
export const ask = ({ act, danger = false, done, label, text, title }) => {
  const dialog = /** @type {HTMLDialogElement} */ (byId("dialog"))
  const status = element("p", { role: "status", class: "status" })
  const before = document.activeElement
  const close = () => {
    dialog.close()
    if (before instanceof HTMLElement) before.focus()
  }
  const go = button(
    label ?? t("confirm"),
    async () => {
      go.setAttribute("disabled", "")
      try {
        const said = await act((words) => {
          status.textContent = words
        })
        close()
        say(said)
        done?.()
      } catch (error) {
        status.textContent = error instanceof Error ? error.message : String(error)
        status.classList.add("bad")
        go.removeAttribute("disabled")
      }
    },
    { class: danger ? "danger" : "primary", "data-testid": "confirm" }
  )
  dialog.setAttribute("aria-labelledby", "dialog-title")
  dialog.replaceChildren(
    element("h2", { id: "dialog-title" }, [title]),
    typeof text === "string" ? element("p", {}, [text]) : text,
    status,
    element("div", { class: "actions" }, [go, button(t("cancel"), close, { "data-testid": "dialog-cancel" })])
  )
  dialog.showModal()
}

/** A button for operators; viewers see none. @param {string} label @param {() => void} onclick @param {Record<string, unknown>} [attributes] */
export const actButton = (label, onclick, attributes = {}) => (isOperator() ? button(label, onclick, attributes) : null)
