/** Described: what an OpenAPI description says an API may answer, to be held against what it does answer. */

const within = (value: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (inside, name) => (typeof inside === "object" && inside !== null ? Reflect.get(inside, name) : undefined),
    value
  )

/** Every text an `enum` below `value` allows. */
const enumerated = (value: unknown): ReadonlyArray<unknown> => {
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([name, inside]) =>
    name === "enum" && Array.isArray(inside) ? inside : enumerated(inside)
  )
}

const alternatives = (schema: unknown): ReadonlyArray<unknown> => {
  const several = within(schema, "anyOf")
  return Array.isArray(several) ? several : [schema]
}

/** The codes a call may be refused with, by status: `"404 RESULT_NOT_FOUND"`. `path`: as described, `/a/{b}`. */
export const refusals = (description: unknown, method: string, path: string): ReadonlyArray<string> => {
  const responses = within(description, "paths", path, method.toLowerCase(), "responses")
  return Object.entries(typeof responses === "object" && responses !== null ? responses : {})
    .filter(([status]) => Number(status) >= 400)
    .flatMap(([status, response]) =>
      alternatives(within(response, "content", "application/json", "schema")).flatMap((schema) =>
        enumerated(within(schema, "properties", "code")).map((code) => `${status} ${code}`)
      )
    )
}
