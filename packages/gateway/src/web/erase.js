/**
 * Erase: lets the user erase all that the service has of them, after a question, and says what is left and why. What this device
 * has goes too. mine.js shows it and loads its lists anew afterwards.
 */
import { ApiError, eraseData } from "./api.js"
import { button, byId, element } from "./element.js"
import { errorText, t } from "./i18n.js"
import { forgetJob } from "./session.js"
import { signIn } from "./signIn.js"
import { forgetThumbnails } from "./thumbnails.js"

/** @param {() => void} erased called when it is done */
export const createErase = (erased) => {
  const [place, announcer] = [byId("erase"), byId("announce")]
  /** @type {"idle" | "asking" | "busy" | "done"} */
  let state = "idle"
  /** @type {Error | null} */
  let failure = null
  /** @type {ReadonlyArray<string>} */
  let left = []

  const draw = () => {
    const problem =
      failure !== null &&
      element("p", { class: "problem", role: "alert", "data-testid": "erase-error" }, [
        failure instanceof ApiError ? errorText(failure) : t("mine.network"),
        failure instanceof ApiError && failure.status === 401 && signIn()
      ])
    if (state === "done") {
      place.replaceChildren(
        element("p", { id: "erase-heading", tabindex: "-1", "data-testid": "erased" }, [t("erase.done")]),
        element("details", {}, [
          element("summary", {}, [t("erase.left")]),
          element(
            "ul",
            {},
            left.map((what) => element("li", {}, [t(`erase.left.${what}`)]))
          )
        ])
      )
      return
    }
    if (state === "idle") {
      place.replaceChildren(
        ...[problem, button(t("erase.ask"), { testid: "erase" }, ask)].filter((one) => one !== false)
      )
      return
    }
    const yes = button(t(state === "busy" ? "erase.busy" : "erase.yes"), { kind: "danger", testid: "erase-yes" }, run)
    yes.setAttribute("aria-disabled", String(state === "busy"))
    place.replaceChildren(
      element("div", { role: "group", "aria-labelledby": "erase-heading" }, [
        element("p", { id: "erase-heading", tabindex: "-1" }, [t("erase.question")]),
        problem,
        element("p", { class: "actions" }, [yes, button(t("erase.no"), { testid: "erase-no" }, stop)])
      ])
    )
  }
  const focus = () => document.getElementById("erase-heading")?.focus()

  const ask = () => {
    state = "asking"
    failure = null
    draw()
    focus()
  }
  const stop = () => {
    if (state === "busy") return
    state = "idle"
    failure = null
    draw()
    place.querySelector("button")?.focus()
  }
  const run = async () => {
    if (state === "busy") return
    state = "busy"
    failure = null
    draw()
    try {
      left = await eraseData()
      state = "done"
      forgetThumbnails()
      forgetJob()
      announcer.textContent = t("erase.done")
      erased()
    } catch (error) {
      state = "asking"
      failure = error instanceof Error ? error : new Error(String(error))
    }
    draw()
    focus()
  }

  return {
    draw,
    open: () => {
      state = "idle"
      failure = null
    }
  }
}
