/** The language that Accept-Language asks for. */
import { expect, it } from "vitest"
import * as RequestLanguage from "../../../packages/gateway/src/http/RequestLanguage.ts"

it.each([
  ["no header", undefined, "ko"],
  ["an empty header", "", "ko"],
  ["English", "en", "en"],
  ["English of a country", "EN-gb", "en"],
  ["the highest weight, wherever it stands", "ko;q=0.3, fr, en;q=0.8", "en"],
  ["the first of equals", "ko-KR, en", "ko"],
  ["a refused language", "en;q=0", "ko"],
  ["another language", "fr, de;q=0.9", "ko"],
  ["any language", "*", "ko"],
  ["a weight that is no number", "en;q=high", "en"],
  ["nonsense", ";;;,,q=1;en", "ko"],
  ["a header of 100 kB", `${"fr,".repeat(33_000)}en`, "ko"]
])("Accept-Language with %s gives its language, or Korean", (_, header, language) => {
  expect(RequestLanguage.of(header)).toBe(language)
})
