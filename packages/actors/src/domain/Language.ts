/**
 * Language: the languages that questions, answers, rules and characters exist in. What a language does not change: the
 * taxonomy's names on the wire, which are Korean keys (Waste), and the keys of documents.
 */
import { Schema } from "effect"

export const Language = Schema.Literals(["ko", "en"])
export type Language = typeof Language.Type
