/**
 * Result: shows a job's end from its result body: the answer, or what there is of it after a failure or a cancellation, or that
 * nothing is left. It knows only bodies and callbacks; app.js decides what the buttons do.
 */
import { characterCard } from "./character.js"
import { button, element } from "./element.js"
import { feedbackForm } from "./feedback.js"
import { durationText, errorText, t } from "./i18n.js"
import { STAGES, stageName } from "./progress.js"
import { ruleDetails } from "./rule.js"
import { signIn } from "./signIn.js"

/** @typedef {import("./api.js").ResultBody} ResultBody */
/** @typedef {{ readonly again: () => void, readonly retry: () => void, readonly another: () => void, readonly share: (text: string) => void }} Callbacks */

/** @param {string} text */
const heading = (text) => element("h1", { id: "ending-heading", tabindex: "-1" }, [text])

/** The language of a server's text, for screen readers; null: not known. @param {string | undefined} text */
export const languageOf = (text) => (/[가-힣]/.test(text ?? "") ? "ko" : /[a-z]{3}/i.test(text ?? "") ? "en" : null)

/** @param {ResultBody} body */
const isSimulated = (body) => body.metadata?.["simulated"] === true

/** The classification in the job's language. @param {import("./api.js").ClassificationResult | null | undefined} result */
export const breadcrumb = (result) => {
  const words = result?.display ?? result?.classification
  const parts = [words?.major_category, words?.middle_category, words?.minor_category]
  // a major without middles comes as its own middle
  const names = [...new Set(parts.filter((part) => typeof part === "string" && part !== ""))]
  if (names.length === 0) return null
  const items = names.map((name) => element("li", {}, [name]))
  return element("nav", { class: "breadcrumb", "data-testid": "category", "aria-label": t("result.category") }, [
    element("ol", { lang: languageOf(names.join("")) }, items)
  ])
}

export const simulatedBadge = () =>
  element("p", { class: "simulated", "data-testid": "simulated" }, [
    element("strong", {}, [t("result.simulated")]),
    " ",
    t("result.simulatedNote")
  ])

/** Whether the rule's own steps are the answer, because no model could write one. @param {ResultBody} body */
const isRules = (body) => body.metadata?.["answer_model"] === "rule"

const ruleBadge = () => element("p", { class: "by-rule", "data-testid": "by-rule" }, [t("result.byRule")])

/** Steps keyed 단계1, 단계2, … in the order of their numbers. @param {Readonly<Record<string, string>> | undefined} steps */
const stepList = (steps) => {
  const entries = Object.entries(steps ?? {}).map(([key, text]) => ({
    number: Number(/\d+/.exec(key)?.[0] ?? 0),
    text
  }))
  if (entries.length === 0) return null
  entries.sort((a, b) => a.number - b.number)
  return element("section", { class: "block" }, [
    element("h2", {}, [t("result.steps")]),
    // without list markers some screen readers do not announce a list
    element(
      "ol",
      { class: "steps", role: "list", "data-testid": "steps", lang: languageOf(entries[0]?.text) },
      entries.map(({ text }) => element("li", {}, [String(text)]))
    )
  ])
}

/** Seen on the photo, in the job's language. @param {import("./api.js").ClassificationResult | null | undefined} result */
export const tagList = (result) => {
  const tags = result?.display?.situation_tags ?? result?.situation_tags
  return tags === undefined || tags.length === 0
    ? null
    : element("section", { class: "block tags" }, [
        element("h2", {}, [t("result.tags")]),
        element(
          "ul",
          { role: "list", "data-testid": "tags", lang: languageOf(tags.join("")) },
          tags.map((tag) => element("li", {}, [tag]))
        )
      ])
}

/** @param {ReadonlyArray<string> | undefined} gaps */
const gapList = (gaps) =>
  gaps === undefined || gaps.length === 0
    ? null
    : element("section", { class: "gaps", "data-testid": "insufficiencies" }, [
        element("h2", {}, [t("result.insufficiencies")]),
        element(
          "ul",
          { lang: languageOf(gaps.join("")) },
          gaps.map((gap) => element("li", {}, [gap]))
        )
      ])

/** @param {unknown} attempts a number, or one a stage */
const attemptsText = (attempts) => {
  // one attempt for each stage is not worth showing
  if (typeof attempts === "number") return attempts > 4 ? String(attempts) : null
  if (typeof attempts !== "object" || attempts === null) return null
  return Object.entries(attempts)
    .map(([stage, count]) => `${stageName(stage)} ${count}`)
    .join(", ")
}

/** Who wrote the answer, where it is not the model that read the photo. @param {ResultBody} body */
const answeredBy = (body) => {
  const { answer_model: answer, llm_model: reader } = body.metadata ?? {}
  if (isRules(body)) return t("meta.rule")
  return typeof answer === "string" && answer !== reader ? answer : null
}

/** Model, times and attempts, small. @param {ResultBody} body */
const about = (body) => {
  const metadata = body.metadata ?? {}
  /** @type {Array<[string, string | null]>} */
  const rows = [
    [t("meta.question"), body.pipeline_result?.classification_result?.meta?.user_input ?? null],
    [
      t("meta.model"),
      [metadata["llm_provider"], metadata["llm_model"]]
        .filter((part, index, all) => part && all.indexOf(part) === index)
        .join(" · ") || null
    ],
    [t("meta.answeredBy"), answeredBy(body)],
    ...["total", "wait"].map((name) => {
      const value = metadata[name === "total" ? "duration_total_ms" : "wait_ms"]
      return /** @type {[string, string | null]} */ ([
        t(`meta.${name}`),
        typeof value === "number" ? durationText(value) : null
      ])
    }),
    ...STAGES.map((stage) => {
      const value = metadata[`duration_${stage}_ms`]
      return /** @type {[string, string | null]} */ ([
        stageName(stage),
        typeof value === "number" ? durationText(value) : null
      ])
    }),
    [t("meta.attempts"), attemptsText(metadata["attempts"])]
  ]
  const known = rows.flatMap(([name, value]) =>
    value === null || value === "" ? [] : [element("div", {}, [element("dt", {}, [name]), element("dd", {}, [value])])]
  )
  return known.length === 0
    ? null
    : element("details", { class: "about" }, [
        element("summary", {}, [t("meta.title")]),
        element("dl", { "data-testid": "metadata" }, known)
      ])
}

/** The whole body, unchanged, for reading by machine. @param {ResultBody} body */
const rawBody = (body) => {
  const script = element("script", { type: "application/json", "data-testid": "result-json" })
  script.textContent = JSON.stringify(body)
  return script
}

/** @param {ReadonlyArray<HTMLElement>} buttons */
const actions = (buttons) => element("div", { class: "actions" }, buttons)

/** @param {Callbacks} on @param {string} [kind] */
const againButton = (on, kind = "") => button(t("again"), { testid: "again", kind }, on.again)

/** An answer as text, to be passed on. @param {string} answer @param {Readonly<Record<string, string>> | undefined} steps */
const shared = (answer, steps) =>
  [answer, ...Object.values(steps ?? {}).map((step, index) => `${index + 1}. ${step}`), t("footer.note")].join("\n")

/** A job that completed. @param {ResultBody} body @param {Callbacks} on */
export const completedView = (body, on) => {
  const { classification_result, disposal_rules, final_answer } = body.pipeline_result ?? {}
  const steps = stepList(final_answer?.disposal_steps)
  const answer = final_answer?.user_answer ?? body.message ?? ""
  return [
    element("article", { class: "card slip" }, [
      isSimulated(body) && simulatedBadge(),
      isRules(body) && ruleBadge(),
      breadcrumb(classification_result),
      heading(t(steps === null ? "result.openTitle" : "result.title")),
      element("p", { class: "answer", "data-testid": "answer", lang: languageOf(answer) }, [answer]),
      gapList(final_answer?.insufficiencies),
      steps,
      tagList(classification_result),
      disposal_rules ? ruleDetails(disposal_rules) : null,
      about(body)
    ]),
    body.reward ? characterCard(body.reward) : null,
    body.task_id !== undefined && feedbackForm(body.task_id),
    actions([
      againButton(on, "primary"),
      button(t("another"), { testid: "another" }, on.another),
      button(t("share"), { testid: "share" }, () => on.share(shared(answer, final_answer?.disposal_steps))),
      button(t("print"), { testid: "print" }, () => window.print())
    ]),
    rawBody(body)
  ]
}

/** A job that failed, with the results of its finished stages. @param {ResultBody} body @param {Callbacks} on */
export const failedView = (body, on) => {
  const { classification_result, disposal_rules, final_answer } = body.pipeline_result ?? {}
  const { attempts, code, message, stage } = body.error ?? {}
  /** @type {ReadonlyArray<[string, string | null]>} */
  const rows = [
    [t("failed.code"), code ?? null],
    [t("failed.stage"), stage ? stageName(stage) : null],
    [t("failed.attempts"), typeof attempts === "number" ? String(attempts) : null]
  ]
  const facts = rows.flatMap(([name, value]) =>
    value === null ? [] : [element("div", {}, [element("dt", {}, [name]), element("dd", {}, [value])])]
  )
  const partial = [
    breadcrumb(classification_result),
    tagList(classification_result),
    stepList(final_answer?.disposal_steps),
    disposal_rules ? ruleDetails(disposal_rules) : null
  ].filter((part) => part !== null)
  return [
    element("article", { class: "card trouble", "data-testid": "failed" }, [
      isSimulated(body) && simulatedBadge(),
      heading(t("failed.title")),
      element("p", { class: "answer" }, [errorText({ code, detail: message ?? body.message })]),
      actions([button(t("retry"), { testid: "retry", kind: "primary" }, on.retry), againButton(on)]),
      facts.length > 0 &&
        element("details", { class: "about" }, [
          element("summary", {}, [t("details.title")]),
          element("dl", { class: "facts" }, facts)
        ])
    ]),
    partial.length > 0 &&
      element("article", { class: "card partial", "data-testid": "partial" }, [
        element("h2", { class: "partial-title" }, [t("failed.partial")]),
        ...partial
      ]),
    rawBody(body)
  ]
}

/** A job the user cancelled. @param {ResultBody} body @param {Callbacks} on */
export const cancelledView = (body, on) => [
  element("article", { class: "card calm", "data-testid": "cancelled" }, [
    heading(t("cancelled.title")),
    element("p", { class: "answer" }, [t("cancelled.note")]),
    actions([button(t("retry"), { testid: "retry", kind: "primary" }, on.retry), againButton(on)])
  ]),
  rawBody(body)
]

/** A job whose data is gone. @param {Callbacks} on */
export const goneView = (on) => [
  element("article", { class: "card calm", "data-testid": "gone" }, [
    heading(t("gone.title")),
    element("p", { class: "answer" }, [t("gone.note")]),
    actions([againButton(on, "primary")])
  ])
]

/** The server refused to report the job's state. @param {import("./api.js").ApiError} error @param {Callbacks} on */
export const refusedView = (error, on) => [
  element("article", { class: "card trouble", "data-testid": "refused" }, [
    heading(t("trouble.title")),
    element("p", { class: "answer" }, [errorText(error)]),
    error.status === 401 && signIn(),
    actions([button(t("reload"), { testid: "reload", kind: "primary" }, () => location.reload()), againButton(on)])
  ])
]
