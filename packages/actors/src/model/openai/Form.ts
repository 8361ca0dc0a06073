/**
 * Form: in which form a model is asked over OpenAI's APIs. It begins with what is known of the model (ModelTable) and of the
 * server; when a server refuses a part of the form, that part is left out from then on, for the life of the process. A refused
 * request is no work done and is not billed, so the call is made again in the next form.
 */
import { factsOf } from "../ModelTable.ts"

/** Parts of a request that a server may not know. */
const optional = {
  effort: /reasoning/i,
  cacheKey: /prompt_cache_key/i,
  detail: /\bdetail\b/i,
  usage: /stream_options|include_usage/i,
  store: /\bstore\b/i
} as const
export type Part = keyof typeof optional

export interface Form {
  /** How the model is told which JSON to write. */
  readonly structured: "schema" | "object" | "none"
  /** The name of the bound of the output, in Chat Completions. */
  readonly bound: "max_completion_tokens" | "max_tokens"
  /** Whether the other name was tried. */
  readonly isBoundTold: boolean
  readonly without: ReadonlySet<Part>
}

/** Whether a server is OpenAI's own, or Azure's of the same models. */
export const isOpenAi = (baseUrl: string): boolean =>
  /(^|\.)(api\.openai\.com|openai\.azure\.com|services\.ai\.azure\.com|cognitiveservices\.azure\.com)$/i.test(
    URL.parse(baseUrl)?.hostname ?? ""
  )

export const first = (model: string, baseUrl: string): Form => {
  const facts = factsOf(model)
  const isKnown = facts?.provider === "openai" || isOpenAi(baseUrl)
  const without = new Set<Part>()
  if (facts?.efforts === null || facts === undefined) without.add("effort")
  if (facts?.detail === null || facts === undefined) without.add("detail")
  if (!isOpenAi(baseUrl)) without.add("cacheKey")
  return {
    structured: facts?.structured ?? "schema",
    bound: isKnown ? "max_completion_tokens" : "max_tokens",
    isBoundTold: false,
    without
  }
}

/** The next form after a refusal in these words; null if it is not about a part that can be left out. */
export const next = (form: Form, refusal: { readonly param: string; readonly words: string }): Form | null => {
  const words = `${refusal.param} ${refusal.words.slice(0, 600)}`
  // a schema that is wrong is a mistake of ours, which no other form would show
  if (/invalid.{0,20}schema/i.test(words)) return null
  if (
    /max_(completion_)?tokens/i.test(words) &&
    !/context|exceed|at (most|least)|between|too (large|big|high)/i.test(words)
  ) {
    return form.isBoundTold
      ? null
      : {
          ...form,
          bound: form.bound === "max_tokens" ? "max_completion_tokens" : "max_tokens",
          isBoundTold: true
        }
  }
  for (const [part, said] of Object.entries(optional)) {
    if (isPart(part) && said.test(words) && !form.without.has(part)) {
      return { ...form, without: new Set([...form.without, part]) }
    }
  }
  if (!/response_?format|json_(schema|object)|structured|text\.format|\bgrammar\b|guided/i.test(words)) return null
  return form.structured === "schema"
    ? { ...form, structured: "object" }
    : form.structured === "object"
      ? { ...form, structured: "none" }
      : null
}

const isPart = (part: string): part is Part => Object.hasOwn(optional, part)
