/**
 * ModulePaths: tells Node where the modules of Effect and of our own sources are, and that they are modules, without the disk. By
 * itself Node looks for each of some 300 files, for links on the way to it and for the package.json that says what it is: a third of
 * the computing of a start. Only paths that leave no choice are told: a relative one beside such a file, and `effect/<Module>`,
 * which the package maps to `dist/<Module>.js`. All others, and a mistake in these, are Node's as ever.
 */
import { registerHooks } from "node:module"

const effect = "/node_modules/effect/dist/"
const isRelative = (specifier: string) => specifier.startsWith("./") || specifier.startsWith("../")
/** `effect/Effect`, `effect/http/HttpClient`; a name in small letters is an index, which the package maps by itself. */
const isModuleOfEffect = (specifier: string) => /^effect\/(?:[a-z-]+\/)?[A-Z]\w*$/.test(specifier)

export const shorten = (): void => {
  const [base = ""] = import.meta.resolve("effect/Effect").split("Effect.js")
  registerHooks({
    resolve: (specifier, context, next) => {
      const parent = context.parentURL ?? ""
      if (isRelative(specifier)) {
        if (parent.includes(effect)) {
          return { url: new URL(specifier, parent).href, format: "module", shortCircuit: true }
        }
        if (specifier.endsWith(".ts") && !parent.includes("/node_modules/")) {
          return { url: new URL(specifier, parent).href, format: "module-typescript", shortCircuit: true }
        }
      } else if (isModuleOfEffect(specifier)) {
        return { url: `${base}${specifier.slice("effect/".length)}.js`, format: "module", shortCircuit: true }
      }
      return next(specifier, context)
    }
  })
}
