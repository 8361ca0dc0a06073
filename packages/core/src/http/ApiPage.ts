/**
 * ApiPage: the description of an API as a page for people: every call with its parameters, its body and its answers. Made from
 * the OpenAPI document alone, complete without a script. Everything in it is escaped. For Pages.
 */
import { Predicate } from "effect"
import type { OpenApi } from "effect/http-api"

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}
export const escape = (text: string): string => text.replace(/[&<>"']/g, (found) => entities[found] ?? found)

/** Escaped text with `code` between backticks, and its paragraphs. */
const prose = (text: string | undefined): string =>
  (text ?? "")
    .split("\n\n")
    .filter((part) => part !== "")
    .map((part) => `<p>${escape(part).replace(/`([^`]+)`/g, "<code>$1</code>")}</p>`)
    .join("")

const methods = ["get", "post", "put", "patch", "delete"] as const
/** Deeper than any schema here; one that refers to itself ends. */
const deepest = 12

type Definitions = Readonly<Record<string, unknown>>

const recordOf = (value: unknown): Readonly<Record<string, unknown>> => (Predicate.isObject(value) ? { ...value } : {})
const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
const descriptionOf = (schema: unknown): string | undefined => {
  const { description } = recordOf(schema)
  return typeof description === "string" ? description : undefined
}

/** A schema as a type is written: `{ id: string, at?: number }`, `"a" | "b"`, `string[]`. */
const typeOf = (schema: unknown, known: Definitions, depth = 0): string => {
  const {
    $ref: ref,
    additionalProperties,
    anyOf,
    const: constant,
    enum: values,
    items,
    oneOf,
    properties,
    type
  } = recordOf(schema)
  if (depth > deepest) return "…"
  if (typeof ref === "string") return typeOf(known[ref.slice(ref.lastIndexOf("/") + 1)], known, depth + 1)
  if (constant !== undefined) return JSON.stringify(constant)
  if (values !== undefined)
    return listOf(values)
      .map((value) => JSON.stringify(value))
      .join(" | ")
  const either = [...listOf(anyOf), ...listOf(oneOf)]
  if (either.length > 0) return [...new Set(either.map((one) => typeOf(one, known, depth + 1)))].join(" | ")
  if (type === "array") {
    const inner = typeOf(items, known, depth + 1)
    return inner.includes(" | ") ? `(${inner})[]` : `${inner}[]`
  }
  if (type === "object" || properties !== undefined) {
    const required = listOf(recordOf(schema).required)
    const pad = "  ".repeat(depth + 1)
    const fields = Object.entries(recordOf(properties)).map(
      ([name, field]) => `${pad}${name}${required.includes(name) ? "" : "?"}: ${typeOf(field, known, depth + 1)}`
    )
    if (Predicate.isObject(additionalProperties)) {
      fields.push(`${pad}[name]: ${typeOf(additionalProperties, known, depth + 1)}`)
    }
    return fields.length === 0 ? "{}" : `{\n${fields.join("\n")}\n${"  ".repeat(depth)}}`
  }
  return typeof type === "string" ? type : listOf(type).length > 0 ? listOf(type).join(" | ") : "any"
}

/** The fields of a body that have words of their own. */
const fieldsOf = (schema: unknown): string => {
  const rows = Object.entries(recordOf(recordOf(schema).properties)).flatMap(([name, field]) => {
    const words = descriptionOf(field)
    return words === undefined ? [] : [`<dt><code>${escape(name)}</code></dt><dd>${prose(words)}</dd>`]
  })
  return rows.length === 0 ? "" : `<dl>${rows.join("")}</dl>`
}

const bodyOf = (content: OpenApi.OpenApiSpecContent | undefined, known: Definitions): string =>
  Object.entries(content ?? {})
    .map(
      ([kind, { schema }]) =>
        `<p class="kind">${escape(kind)}</p><pre tabindex="0">${escape(typeOf(schema, known))}</pre>${fieldsOf(schema)}`
    )
    .join("")

const parametersOf = (parameters: ReadonlyArray<OpenApi.OpenAPISpecParameter>, known: Definitions): string =>
  parameters.length === 0
    ? ""
    : `<h4>Parameters</h4><dl>${parameters
        .map(
          ({ description, in: place, name, required, schema }) =>
            `<dt><code>${escape(name)}</code> <small>${place}${required ? ", required" : ""}</small> <code class="type">${escape(typeOf(schema, known))}</code></dt><dd>${prose(description ?? descriptionOf(schema))}</dd>`
        )
        .join("")}</dl>`

/** Refusals by their status and codes; the shape of all of them is said once. */
const answersOf = (responses: OpenApi.OpenAPISpecResponses, known: Definitions): string =>
  `<h4>Answers</h4><dl>${Object.entries(responses)
    .map(([status, { content, description, headers }]) => {
      const named = Object.keys(headers ?? {})
      const also =
        named.length === 0 ? "" : `<p>Headers: ${named.map((name) => `<code>${escape(name)}</code>`).join(", ")}</p>`
      const body = Number(status) < 400 ? bodyOf(content, known) : ""
      return `<dt><b class="${Number(status) < 400 ? "good" : "bad"}">${status}</b></dt><dd>${prose(description)}${also}${body}</dd>`
    })
    .join("")}</dl>`

const style = `
:root{color-scheme:light dark;--paper:#f3f2ea;--card:#fffefa;--ink:#17231c;--soft:#4c5a51;--line:#dcdbcd;--leaf:#1f6a43;--clay:#9c2f25;--wash:#e2ecdd}
@media (prefers-color-scheme:dark){:root{--paper:#111713;--card:#19211c;--ink:#e8eee6;--soft:#aab8ad;--line:#2e3a33;--leaf:#86d3a2;--clay:#f39c90;--wash:#20372a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:400 1rem/1.6 system-ui,-apple-system,"Segoe UI",sans-serif;overflow-wrap:anywhere}
header,main,nav{width:min(60rem,100%);margin-inline:auto;padding-inline:1.25rem}
header{padding-block:2rem .5rem}
h1{margin:0;font-size:1.9rem;letter-spacing:-.02em}
h2{margin:2.5rem 0 .75rem;font-size:1.35rem}
h3{display:flex;flex-wrap:wrap;gap:.5rem .75rem;align-items:baseline;margin:0;font:600 1rem/1.5 ui-monospace,Menlo,Consolas,monospace}
h4{margin:1.25rem 0 .35rem;font-size:.925rem;color:var(--soft)}
nav ul{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(17rem,100%),1fr));gap:.1rem 1.5rem;margin:.5rem 0 0;padding:0;list-style:none}
nav a{display:block;padding:.25rem 0;text-decoration:none}
a{color:var(--leaf)}
a:hover{text-decoration:underline}
:focus-visible{outline:3px solid var(--leaf);outline-offset:2px}
section{margin-block:1rem;padding:1.25rem;border:1px solid var(--line);border-radius:14px;background:var(--card)}
.method{padding:.05rem .55rem;border-radius:7px;background:var(--wash);color:var(--leaf);font-size:.875rem;text-transform:uppercase}
.method.delete{background:none;border:1px solid currentcolor;color:var(--clay)}
p{margin:.35rem 0}
code,pre{font:.875rem/1.55 ui-monospace,Menlo,Consolas,monospace}
pre{margin:.5rem 0;padding:.75rem .9rem;overflow:auto;max-height:26rem;border:1px solid var(--line);border-radius:10px;background:var(--paper)}
dl{margin:0}
dt{margin-top:.6rem}
dd{margin:0 0 .35rem;padding-left:1rem;border-left:2px solid var(--line);color:var(--soft)}
dd pre,dd code{color:var(--ink)}
small,.kind,.type{color:var(--soft)}
.good{color:var(--leaf)}.bad{color:var(--clay)}`

const isBare = (text: string) => text.replace(/[^\w]+/g, "-").replace(/^-|-$/g, "")

/** A call in the list of all: the beginning of its summary, without what explains it. */
const nameOf = (summary = ""): string => (summary.split(/[:;(]|\. /, 1)[0] ?? "").replaceAll("`", "").trim()

/** `json`: where the same is read by machine. */
export const render = (spec: OpenApi.OpenAPISpec, json: string): string => {
  const known: Definitions = spec.components.schemas
  const calls = Object.entries(spec.paths).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = item[method]
      return operation === undefined ? [] : [{ path, method, operation, id: isBare(`${method} ${path}`) }]
    })
  )
  const groups = spec.tags.map((tag) => ({
    ...tag,
    calls: calls.filter(({ operation }) => operation.tags[0] === tag.name)
  }))
  const contents = calls
    .map(
      ({ id, method, operation, path }) =>
        `<li><a href="#${id}">${escape(nameOf(operation.summary) || `${method.toUpperCase()} ${path}`)}</a></li>`
    )
    .join("")
  const shown = groups
    .map(
      (group) =>
        `<h2>${escape(group.name)}</h2>${prose(group.description)}${group.calls
          .map(
            ({
              id,
              method,
              operation,
              path
            }) => `<section id="${id}" aria-label="${escape(`${method.toUpperCase()} ${path}`)}">
<h3><span class="method ${method}">${method}</span> <span>${escape(path)}</span></h3>
${prose(operation.summary)}${operation.description === operation.summary ? "" : prose(operation.description)}
${parametersOf(operation.parameters, known)}
${operation.requestBody === undefined ? "" : `<h4>Body</h4>${bodyOf(operation.requestBody.content, known)}`}
${answersOf(operation.responses, known)}
</section>`
          )
          .join("\n")}`
    )
    .join("\n")
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="${escape(spec.info.description ?? spec.info.title)}">
<title>${escape(spec.info.title)} · API</title>
<style>${style}</style>
</head>
<body>
<header><h1>${escape(spec.info.title)} API</h1>${prose(spec.info.description)}
<p>A refusal is <code>{ detail, code }</code>; its codes stand at each call. For programs: <a href="${escape(json)}">${escape(json)}</a></p></header>
<nav aria-label="Calls"><ul>${contents}</ul></nav>
<main>
${shown}
</main>
</body>
</html>
`
}
