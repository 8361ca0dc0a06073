/**
 * SignIn: what a user is offered whom the API does not know: the way to sign in and come back, or whom to ask. The server writes
 * SIGN_IN_URL into the page; `{return}` in it is the page's own address, which is otherwise added as `return_to`.
 */
import { element } from "./element.js"
import { t } from "./i18n.js"

/** The address to sign in at, or null. @returns {string | null} */
const address = () => {
  const given = document.body.dataset["signIn"] ?? ""
  if (given === "") return null
  if (given.includes("{return}")) return given.replaceAll("{return}", encodeURIComponent(location.href))
  const url = new URL(given, location.href)
  url.searchParams.set("return_to", location.href)
  return url.href
}

export const signIn = () => {
  const href = address()
  return element("p", { class: "sign-in", "data-testid": "sign-in" }, [
    href === null ? t("signIn.missing") : element("a", { class: "button primary", href }, [t("signIn.link")])
  ])
}
