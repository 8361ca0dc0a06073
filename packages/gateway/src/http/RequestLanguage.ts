/**
 * RequestLanguage: the language of an answer, from Accept-Language (RFC 9110, 12.5.4), where a request does not name one. Of
 * those that exist the one with the highest weight, of equals the first; Korean if none is accepted by name. By hand, because
 * it chooses between two, and a library would bring the rest of the negotiation with it.
 */
import { defaultLanguage, Language } from "@eco2/actors/protocol"
import { Schema } from "effect"

export const header = Schema.optionalKey(Schema.String).annotate({
  description: "The language of the texts, ko or en, if the request names none; ko if neither is accepted"
})

/** What an endpoint asks for whose answer has texts. `vary` belongs to its answers, for caches on the way. */
export const asked = {
  query: {
    language: Schema.optionalKey(Language).annotate({
      description: "The language of the texts, before Accept-Language"
    })
  },
  headers: { "accept-language": header }
}

/** `Vary` of such an answer, as it is described: compression adds to it (Compression). */
export const varies = Schema.String.check(Schema.isPattern(/^Accept-Language(?:, Accept-Encoding)?$/))

const isLanguage = Schema.is(Language)

/** `en-GB;q=0.8` → `["en", 0.8]`. A weight that is no number counts as none given. */
const rangeOf = (range: string): readonly [tag: string, weight: number] => {
  const [tag = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase())
  const weight = Number(parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? 1)
  return [tag.split("-")[0] ?? "", Number.isNaN(weight) ? 1 : weight]
}

/** @example of("fr, en-GB;q=0.8, ko;q=0.5") // "en" */
export const of = (acceptLanguage: string | undefined): Language => {
  let best: Language = defaultLanguage
  let most = 0
  for (const range of (acceptLanguage ?? "").slice(0, 1_000).split(",")) {
    const [tag, weight] = rangeOf(range)
    if (isLanguage(tag) && weight > most) {
      best = tag
      most = weight
    }
  }
  return best
}

/** The language that a query names, else that of the headers. */
export const named = (
  language: Language | undefined,
  headers: { readonly "accept-language"?: string | undefined }
): Language => language ?? of(headers["accept-language"])
