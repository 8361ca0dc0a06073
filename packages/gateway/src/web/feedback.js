/**
 * Feedback: "this is wrong" under an answer: what the item is, and a comment. It goes to the owner of the service; the answer
 * stays as it is. result.js shows it.
 */
import { ApiError, giveFeedback } from "./api.js"
import { byId, element } from "./element.js"
import { errorText, t } from "./i18n.js"

/** What an item may be, as the API names it; texts.js has the words. */
const CATEGORIES = [
  "종이",
  "종이팩",
  "무색페트병",
  "플라스틱류",
  "비닐류",
  "발포합성수지",
  "유리병",
  "금속류",
  "의류및원단",
  "전지",
  "조명제품",
  "전기전자제품",
  "일반종량제폐기물",
  "불연성종량제폐기물",
  "음식물류폐기물",
  "대형폐기물",
  "공사장생활폐기물",
  "생활계유해폐기물"
]
const MOST = 500

/** @param {string} jobId */
export const feedbackForm = (jobId) => {
  const category = element("select", { id: "feedback-category", "data-testid": "feedback-category" }, [
    element("option", { value: "" }, [t("feedback.unknown")]),
    ...CATEGORIES.map((key) => element("option", { value: key }, [t(`category.${key}`)]))
  ])
  const comment = element("textarea", {
    id: "feedback-comment",
    "data-testid": "feedback-comment",
    rows: "2",
    maxlength: String(MOST),
    "aria-describedby": "feedback-problem"
  })
  const send = element("button", { type: "submit", class: "button", "data-testid": "feedback-send" }, [
    t("feedback.send")
  ])
  const problem = element("p", { class: "problem", id: "feedback-problem", role: "alert", hidden: true })
  const form = element("form", { class: "feedback", novalidate: true }, [
    element("p", { class: "working-note" }, [t("feedback.note")]),
    element("div", { class: "field" }, [
      element("label", { for: "feedback-category" }, [t("feedback.category")]),
      category
    ]),
    element("div", { class: "field" }, [
      element("label", { for: "feedback-comment" }, [t("feedback.comment")]),
      comment
    ]),
    problem,
    element("p", { class: "actions" }, [send])
  ])
  let busy = false

  form.addEventListener("submit", async (event) => {
    event.preventDefault()
    if (busy) return
    busy = true
    problem.hidden = true
    send.setAttribute("aria-disabled", "true")
    send.textContent = t("submitting")
    try {
      await giveFeedback(jobId, { category: category.value || null, comment: comment.value.trim() || null })
      const thanks = element("p", { tabindex: "-1", "data-testid": "feedback-done" }, [t("feedback.done")])
      form.replaceWith(thanks)
      byId("announce").textContent = t("feedback.done")
      thanks.focus()
    } catch (error) {
      problem.textContent = error instanceof ApiError ? errorText(error) : t("feedback.network")
      problem.hidden = false
      comment.focus()
    } finally {
      busy = false
      send.setAttribute("aria-disabled", "false")
      send.textContent = t("feedback.send")
    }
  })
  return element("details", { class: "wrong", "data-testid": "feedback" }, [
    element("summary", {}, [t("feedback.title")]),
    form
  ])
}
