/**
 * Language: the languages that questions, answers, rules and characters exist in. What a language does not change: the
 * taxonomy's names on the wire, which are Korean keys (Waste), and the keys of documents.
 */
import { Schema } from "effect"

export const Language = Schema.Literals(["ko", "en"])
export type Language = typeof Language.Type

/** The language of who names none. */
export const defaultLanguage: Language = "ko"

/** A text, or a document, in every language. */
export type InLanguages<A> = Readonly<Record<Language, A>>
