/**
 * PageLanguage: the language of a page: that of its address (`?lang=`), else the one the reader has chosen (a cookie), else by
 * Accept-Language. A reader who asks for other languages alone gets English; a client that asks for none gets Korean, as from
 * the API (RequestLanguage).
 */
import { Language } from "@eco2/actors/protocol"
import { Schema } from "effect"
import type { HttpServerRequest } from "effect/http"
import * as RequestLanguage from "./RequestLanguage.ts"

/** Set by the switch on the page (i18n.js); the page of news reads it too. */
export const cookie = "eco2_language"
export const vary = "Accept-Language, Cookie"

const isLanguage = Schema.is(Language)

export const of = ({ cookies, headers, url }: HttpServerRequest.HttpServerRequest): Language => {
  // an address that leads nowhere may be none for URL: `//`
  const mark = url.indexOf("?")
  const named = mark < 0 ? null : new URLSearchParams(url.slice(mark + 1)).get("lang")
  if (isLanguage(named)) return named
  const chosen = cookies[cookie]
  if (isLanguage(chosen)) return chosen
  const accepted = headers["accept-language"] ?? ""
  const isOurs = /(?:^|,)\s*(?:ko|en)\b/i.test(accepted)
  // `*` names none
  const isNamed = /(?:^|,)\s*[a-z]/i.test(accepted)
  return isNamed && !isOurs ? "en" : RequestLanguage.of(accepted)
}
