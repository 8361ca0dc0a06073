/**
 * Draft: what a running job has found so far: its category, the text of its answer while it is written, the situation and the
 * rule. They stand where the result has them (result.js), so that the result replaces them without a jump. app.js passes on
 * events from follow.js; statuses and shapes that are not known here change nothing.
 * Screen readers are not read the growing text; progress.js tells them once when it begins.
 */
import { byId } from "./element.js"
import { isText, nothing, placed, wholeWords } from "./pieces.js"
import { breadcrumb, languageOf, simulatedBadge, tagList } from "./result.js"
import { ruleDetails } from "./rule.js"

/** @param {unknown} value @returns {value is Record<string, unknown>} */
const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value)

/** @param {unknown} value */
const strings = (value) => (Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [])

/** @param {Record<string, unknown>} result of the stage vision @returns {import("./api.js").ClassificationResult} */
const classified = ({ classification, display, situation_tags }) => ({
  ...(isRecord(classification) ? { classification } : {}),
  situation_tags: strings(situation_tags),
  ...(isRecord(display) ? { display: { ...display, situation_tags: strings(display["situation_tags"]) } } : {})
})

export const createDraft = () => {
  const [badge, category, answer, found, foundParts] = [
    byId("draft-simulated"),
    byId("draft-category"),
    byId("draft-answer"),
    byId("found"),
    byId("found-parts")
  ]
  const shown = answer.appendChild(document.createTextNode(""))
  let isSimulated = () => false
  /** @type {import("./api.js").ClassificationResult | null} */
  let classification = null
  /** @type {Record<string, unknown> | null} */
  let rule = null
  let running = nothing
  /** Whether text has come; the place for it stays, also while it is empty again. */
  let begun = false
  /** Whether more text may come. */
  let open = true
  /** Whether the stage has failed and waits for its next attempt. */
  let paused = false
  let isConnected = true

  const drawText = () => {
    const text = open ? wholeWords(running.text) : running.text
    // adding keeps what the reader has selected
    if (text.startsWith(shown.data)) shown.appendData(text.slice(shown.data.length))
    else shown.data = text
    const language = languageOf(text)
    if (language === null) answer.removeAttribute("lang")
    else answer.lang = language
    answer.hidden = !begun
    answer.setAttribute("aria-busy", String(begun && open))
    answer.classList.toggle("writing", open && !paused && isConnected)
  }

  /** Texts in the page's language; what is unfolded stays so. */
  const draw = () => {
    badge.hidden = !isSimulated()
    badge.replaceChildren(...(badge.hidden ? [] : [simulatedBadge()]))
    const crumbs = breadcrumb(classification)
    category.replaceChildren(...(crumbs === null ? [] : [crumbs]))
    const unfolded = foundParts.querySelector("details")?.open === true
    const parts = [tagList(classification), rule === null ? null : ruleDetails(rule)]
    foundParts.replaceChildren(...parts.filter((part) => part !== null))
    const details = foundParts.querySelector("details")
    if (details !== null) details.open = unfolded
    found.hidden = foundParts.childElementCount === 0
    drawText()
  }

  const empty = () => {
    // what stands below stays where it is
    if (begun) answer.style.setProperty("min-height", `${answer.getBoundingClientRect().height}px`)
  }

  return {
    draw,
    /** Begins with nothing. @param {() => boolean} simulated whether the job's model is known to be the simulated one */
    start: (simulated) => {
      isSimulated = simulated
      classification = null
      rule = null
      running = nothing
      begun = false
      open = true
      paused = false
      isConnected = true
      answer.style.removeProperty("min-height")
      draw()
    },
    /** @param {import("./follow.js").JobEvent} event */
    apply: ({ result, stage, status }) => {
      if (stage === "queued") {
        // another run: what stages of earlier runs have found holds
        if (running.text !== "") empty()
        running = nothing
        open = true
        paused = false
        drawText()
      } else if (stage === "vision" && status === "completed" && isRecord(result)) {
        classification = classified(result)
        draw()
      } else if (stage === "rule" && status === "completed") {
        rule = isRecord(result) ? result : null
        draw()
      } else if (stage === "answer" && status === "completed") {
        open = false
        drawText()
      } else if (stage === "answer" && status === "retrying") {
        paused = true
        drawText()
      } else if (stage === "answer" && isText(status) && open) {
        const next = placed(running, status, result)
        if (next === running) return
        if (next.attempt !== running.attempt) empty()
        running = next
        paused = false
        begun ||= next.text !== ""
        drawText()
      }
    },
    /** Nothing more comes. */
    end: () => {
      open = false
      drawText()
    },
    /** @param {boolean} connected */
    setConnected: (connected) => {
      isConnected = connected
      drawText()
    },
    hasText: () => begun,
    isWriting: () => begun && open && !paused,
    /** Whether the rule is unfolded. */
    isUnfolded: () => foundParts.querySelector("details")?.open === true
  }
}
