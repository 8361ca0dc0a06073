/**
 * ModelPrices: what models cost as the operator sets it (MODEL_PRICES), for models that the table in the code does not know, and
 * for prices that have changed since (ModelTable).
 */
import { Setting } from "@eco2/core"
import type { Price } from "./ModelTable.ts"

const number = /^\d{1,6}(\.\d{1,6})?$/

/** Undefined if the text is invalid. A first entry that is a date says when the prices were looked up. */
const parse = (text: string): ReadonlyMap<string, Price> | undefined => {
  const prices = new Map<string, Price>()
  for (const [index, entry] of text.split(";").entries()) {
    const part = entry.trim()
    if (part === "" || (index === 0 && /^\d{4}-\d{2}-\d{2}$/.test(part))) continue
    const [model = "", amounts = "", ...rest] = part.split("=").map((one) => one.trim())
    const [input = "", cached = "", output = "", ...more] = amounts.split("/").map((one) => one.trim())
    if (rest.length > 0 || more.length > 0 || prices.has(model)) return undefined
    if (!/^[A-Za-z0-9][A-Za-z0-9._:/-]*$/.test(model)) return undefined
    if (![input, cached, output].every((amount) => number.test(amount))) return undefined
    prices.set(model, { input: Number(input), cached: Number(cached), output: Number(output) })
  }
  return prices
}

/**
 * MODEL_PRICES: US dollars for a million tokens of input, cached input and output: `model=input/cached/output`, with `;` between
 * models; a date may stand first. Default: none.
 */
export const ModelPrices = Setting.parsed<ReadonlyMap<string, Price>>("MODEL_PRICES", {
  default: new Map(),
  allowed: 'model=input/cached/output with ; between, such as "2026-11-01;gpt-5.2=1.75/0.175/14"',
  parse
})
