/**
 * ModuleBundle: one script made of a page's modules, so that the first load takes one request instead of one for each module.
 * Each module becomes a function that runs once, after those it imports; so the names of modules stay apart. Comments are left
 * out. It reads what our pages have, as the formatter leaves it: named imports from the same folder and named exports, each at
 * the start of a line. Everything else is refused when the process starts: another form, a cycle, a name that is not exported, a syntax error.
 * A bundler would do the same with a build before each start, or with a native program in every image. For pages of gateways.
 */
import { readFileSync } from "node:fs"
import { Script } from "node:vm"

const imports = /^import \{([^}]*)\} from "\.\/([\w-]+\.js)"\n/gm
const exported = /^export (?=(?:const|class|function|async function) ([\w$]+))/gm
const remaining = /^(?:import|export)\b.*/m
const indents = /^[ \t]+/gm
const comments = [/^[ \t]*\/\*\*(?:(?!\*\/)[\s\S])*\*\/[ \t]*\n/gm, /\/\*\* @[^\n]*?\*\/ ?/g, /^[ \t]*\/\/.*\n/gm]

/** `a, b as c` of an import: what is imported, and as what. */
const namesOf = (list: string): ReadonlyArray<readonly [name: string, as: string]> =>
  list
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const [name = "", as = name] = part.split(/\s+as\s+/)
      return [name, as]
    })

/**
 * The script that does what `entry`, a module of `folder`, does. Throws where it cannot read a module.
 * - `instead`: sources in place of files, by their names
 */
export const make = (folder: string, entry: string, instead: Readonly<Record<string, string>> = {}): string => {
  const done = new Map<string, { readonly variable: string; readonly names: ReadonlySet<string> }>()
  const parts: Array<string> = []
  const add = (file: string, path: ReadonlyArray<string>) => {
    const known = done.get(file)
    if (known !== undefined) return known
    if (path.includes(file)) throw new Error(`modules import each other: ${[...path, file].join(" → ")}`)
    const source = comments.reduce(
      (text, comment) => text.replace(comment, ""),
      instead[file] ?? readFileSync(`${folder}${file}`, "utf8")
    )
    const needed = [...source.matchAll(imports)].map(([, list = "", from = ""]) => {
      const module = add(from, [...path, file])
      const names = namesOf(list)
      for (const [name] of names) if (!module.names.has(name)) throw new Error(`${file}: ${from} exports no ${name}`)
      const bindings = names.map(([name, as]) => (name === as ? name : `${name}: ${as}`))
      return `const { ${bindings.join(", ")} } = ${module.variable}\n`
    })
    const names = new Set([...source.matchAll(exported)].map(([, name = ""]) => name))
    const body = source.replace(imports, "").replace(exported, "")
    const unread = remaining.exec(body)
    if (unread !== null) throw new Error(`${file}: not a form that is read here: ${unread[0]}`)
    const module = { variable: `module${done.size}`, names }
    parts.push(
      `const ${module.variable} = (() => {\n${needed.join("")}${body}return { ${[...names].join(", ")} }\n})()\n`
    )
    done.set(file, module)
    return module
  }
  add(entry, [])
  // what is indented is code: no text of our pages goes over lines
  const script = parts.join("").replace(indents, "")
  // read, not run: throws at a syntax error
  void new Script(script, { filename: entry })
  return script
}
