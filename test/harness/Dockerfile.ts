/**
 * Dockerfile: parses our Dockerfile into stages and instructions; it rejects instructions that it does not know.
 * https://docs.docker.com/reference/dockerfile/
 */

export interface Instruction {
  /** In capitals. */
  readonly name: string
  /** All after the name, one line. */
  readonly text: string
}

export interface Stage {
  readonly base: string
  readonly name: string | null
  readonly instructions: ReadonlyArray<Instruction>
}

/** One COPY line. `from`: the stage it copies from; null: the checkout. */
export interface Copy {
  readonly from: string | null
  readonly mode: number | null
  readonly sources: ReadonlyArray<string>
  /** As written; ends with `/` for a folder. */
  readonly to: string
}

export interface Dockerfile {
  /** ARG lines before the first stage, with their defaults. */
  readonly args: Readonly<Record<string, string>>
  readonly stages: ReadonlyArray<Stage>
}

const known = new Set("FROM ARG LABEL WORKDIR COPY RUN USER ENV EXPOSE HEALTHCHECK ENTRYPOINT CMD".split(" "))

export const parse = (text: string): Dockerfile => {
  const lines = text
    .split("\n")
    .filter((line) => !/^\s*#/.test(line))
    .join("\n")
    .replaceAll(/\\\n\s*/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "")
  const args: Record<string, string> = {}
  const stages: Array<Stage & { readonly instructions: Array<Instruction> }> = []
  for (const line of lines) {
    const [, name = "", rest = ""] = /^([A-Z]+) (.*)$/.exec(line) ?? []
    if (!known.has(name)) throw new Error(`the Dockerfile has a line nobody understands: ${line}`)
    const stage = stages.at(-1)
    if (name === "FROM") {
      const [, base = "", as] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? []
      stages.push({ base: fill(base, args), name: as ?? null, instructions: [] })
    } else if (stage !== undefined) stage.instructions.push({ name, text: rest })
    else {
      const [variable = "", value = ""] = rest.split("=")
      args[variable] = value
    }
  }
  return { args, stages }
}

const fill = (text: string, args: Readonly<Record<string, string>>): string =>
  text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => args[name] ?? "")

/** The texts of a stage's lines of this name. */
export const linesOf = (stage: Stage, name: string): ReadonlyArray<string> =>
  stage.instructions.flatMap((line) => (line.name === name ? [line.text] : []))

export const copiesOf = (stage: Stage): ReadonlyArray<Copy> =>
  linesOf(stage, "COPY").map((text) => {
    const words = text.split(/\s+/)
    const flag = (name: string) =>
      words.find((word) => word.startsWith(`--${name}=`))?.slice(`--${name}=`.length) ?? null
    const paths = words.filter((word) => !word.startsWith("--"))
    const chmod = flag("chmod")
    return {
      from: flag("from"),
      mode: chmod === null ? null : Number.parseInt(chmod, 8),
      sources: paths.slice(0, -1),
      to: paths.at(-1) ?? ""
    }
  })
