/** Described: reads the possible answers of an API from its OpenAPI description, for comparison with its actual answers. */

const within = (value: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (inside, name) => (typeof inside === "object" && inside !== null ? Reflect.get(inside, name) : undefined),
    value
  )

/** All texts that an `enum` below `value` allows. */
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

/** The codes of a call's refusals, by status: `"404 RESULT_NOT_FOUND"`. `path`: as described, `/a/{b}`. */
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
