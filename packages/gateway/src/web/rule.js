/**
 * Rule: a disposal rule document, collapsed until opened. The document comes from the server; fields that it lacks are left out,
 * and fields not named here are not shown.
 */
import { element } from "./element.js"
import { t } from "./i18n.js"

const SECTIONS = ["description", "items", "sub_items", "common_steps", "detailed_steps", "not_accepted"]
const ORDERED = new Set(["common_steps", "detailed_steps"])

/** @param {unknown} value @returns {boolean} */
const isEmpty = (value) =>
  value === null ||
  value === undefined ||
  value === "" ||
  (typeof value === "object" && Object.keys(value).length === 0)

/**
 * Text, a list, or a table of either, however nested.
 * @param {unknown} value
 * @param {boolean} ordered
 * @returns {Node | null}
 */
const show = (value, ordered) => {
  if (isEmpty(value)) return null
  if (Array.isArray(value)) {
    const entries = value.filter((entry) => !isEmpty(entry)).map((entry) => element("li", {}, [show(entry, ordered)]))
    return element(ordered ? "ol" : "ul", {}, entries)
  }
  if (typeof value === "object") {
    const rows = Object.entries(/** @type {object} */ (value)).flatMap(([name, entry]) => [
      element("dt", {}, [name]),
      element("dd", {}, [show(entry, ordered)])
    ])
    return element("dl", {}, rows)
  }
  return document.createTextNode(String(value))
}

/** Turns addresses in a text into links, and nothing else. @param {string} text */
const linked = (text) =>
  text
    .split(/(https?:\/\/[^\s)»”"']+)/)
    .map((part) =>
      /^https?:\/\//.test(part)
        ? element("a", { href: part, rel: "noopener noreferrer", target: "_blank" }, [
            part.replace(/^https?:\/\//, "").replace(/\/$/, "")
          ])
        : part
    )

/** @param {unknown} source @returns {Node | null} */
const sourceLine = (source) => {
  const text =
    typeof source === "object" && source !== null
      ? Object.values(source)
          .filter((part) => typeof part === "string")
          .join(" · ")
      : String(source ?? "")
  return text === ""
    ? null
    : element("p", { class: "source" }, [element("b", {}, [t("rule.source")]), " ", ...linked(text)])
}

/** @param {Readonly<Record<string, unknown>>} rule */
export const ruleDetails = (rule) => {
  const name = [rule["name"], rule["key"]].find((text) => typeof text === "string" && text !== "")
  return element("details", { class: "rule", "data-testid": "rule" }, [
    element("summary", {}, [
      t("rule.title"),
      typeof name === "string" && element("span", {}, [name.split("_").join(" › ")])
    ]),
    element("div", { class: "rule-body" }, [
      ...SECTIONS.flatMap((key) => {
        const content = show(rule[key], ORDERED.has(key))
        return content === null ? [] : [element("h3", {}, [t(`rule.${key}`)]), content]
      }),
      sourceLine(rule["source"])
    ])
  ])
}
