/** Pairs: a flat reply of field, value, field, value, … (HGETALL, a stream entry, WITHSCORES) as a map. */
export const toMap = (flat: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const fields = new Map<string, string>()
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i]!, flat[i + 1]!)
  return fields
}

/** A field's whole number; `otherwise` where it is missing or damaged. */
export const whole = <A>(fields: ReadonlyMap<string, string>, name: string, otherwise: A): number | A => {
  const text = fields.get(name)
  const value = text === undefined || text === "" ? Number.NaN : Number(text)
  return Number.isSafeInteger(value) ? value : otherwise
}
