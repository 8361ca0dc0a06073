/**
 * Output: prints a command's result to standard output: a table for people or, with --json, JSON for programs. Much of it is text
 * of users and of other servers, so whatever is printed is printed here, with control characters made visible (VisibleText).
 */
import { VisibleText } from "@eco2/core/protocol"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as CliOutput from "effect/cli/CliOutput"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"

export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
})

export const Wide = GlobalFlag.Setting("wide")({
  flag: Flag.Boolean("wide").pipe(
    Flag.withDescription("Print the rows of tables in full, also where they are longer than the terminal's lines"),
    Flag.withDefault(false)
  )
})

/** Cells of a line of the terminal; a program gets whole rows, and so does a terminal that does not know its width (0). */
export const lineOf = (isWide: boolean, terminal: { readonly isTTY: boolean; readonly columns: number }): number =>
  isWide || !terminal.isTTY || !(terminal.columns > 0) ? Infinity : terminal.columns
/** What rows of tables are cut to while `print` makes its text. */
let room = Infinity

/** Prints `value` as JSON, or the text. */
export const print = (value: unknown, text: () => string) =>
  Effect.gen(function* () {
    const isJson = yield* Json
    const most = lineOf(yield* Wide, process.stdout)
    const made = () => {
      room = most
      try {
        return text()
      } finally {
        room = Infinity
      }
    }
    yield* Console.log(VisibleText.lines(isJson ? JSON.stringify(value, null, 2) : made()))
  })

/** Prints one of many lines as it comes: as JSON on one line, or the text, cut to the terminal's line. */
export const printLine = (value: unknown, text: () => string) =>
  Effect.gen(function* () {
    const isJson = yield* Json
    const most = lineOf(yield* Wide, process.stdout)
    yield* Console.log(VisibleText.of(isJson ? JSON.stringify(value) : cut(VisibleText.of(text()), most)))
  })

/** A line that fits into `most` cells; what is cut off is marked. */
export const cut = (line: string, most: number): string => {
  if (CliOutput.displayWidth(line) <= most) return line
  let kept = ""
  for (const letter of line) {
    if (CliOutput.displayWidth(kept + letter) > most - 1) break
    kept += letter
  }
  return `${kept}…`
}

/** A remark or an error for the operator, on standard error. */
export const say = (line: string) => Console.error(`eco2: ${VisibleText.lines(line)}`)

export interface Column<A> {
  readonly head: string
  readonly cell: (row: A) => string | number
}

/** Aligned columns, numbers to the right; `none` where there are no rows. */
export const table = <A>(rows: ReadonlyArray<A>, columns: ReadonlyArray<Column<A>>, none: string): string => {
  if (rows.length === 0) return none
  const cells = rows.map((row) =>
    columns.map(({ cell }) => {
      const value = cell(row)
      return typeof value === "string" ? VisibleText.of(value) : value
    })
  )
  const widths = columns.map(({ head }, i) =>
    Math.max(head.length, ...cells.map((row) => CliOutput.displayWidth(String(row[i]))))
  )
  const line = (row: ReadonlyArray<string | number>, numbers: ReadonlyArray<boolean>) =>
    row
      .map((cell, i) => {
        const gap = " ".repeat(Math.max(0, widths[i]! - CliOutput.displayWidth(String(cell))))
        return numbers[i] ? `${gap}${cell}` : `${cell}${gap}`
      })
      .join("  ")
      .trimEnd()
  const numbers = columns.map((_, i) => typeof cells[0]![i] === "number")
  return [
    line(
      columns.map(({ head }) => head),
      numbers
    ),
    ...cells.map((row) => line(row, numbers))
  ]
    .map((one) => cut(one, room))
    .join("\n")
}

/** The facts of one thing, one a line. */
export const facts = (of: Readonly<Record<string, unknown>>): string => {
  const rows = Object.entries(of).map(([name, value]) => ({ name, value: textOf(value) }))
  const width = Math.max(...rows.map(({ name }) => name.length))
  return rows.map(({ name, value }) => `${name.padEnd(width)}  ${value}`).join("\n")
}
const textOf = (value: unknown): string =>
  value === null || value === "" ? "-" : VisibleText.of(typeof value === "string" ? value : JSON.stringify(value))

let here: DateTime.TimeZone | undefined
/** A time in this machine's zone, `2026-11-22 09:30:00+09:00`; "-" for none. */
export const moment = (millis: number | null): string =>
  millis === null
    ? "-"
    : DateTime.formatIsoOffset(
        DateTime.makeZonedUnsafe(millis, { timeZone: (here ??= DateTime.zoneMakeLocal()) })
      ).replace(/T(.{8})\.\d+/, " $1")

/** How long something has lasted, in its largest unit: `4s`, `12m`, `3h`, `2d`. */
export const age = (millis: number): string => {
  const seconds = Math.max(0, Math.round(millis / 1_000))
  if (seconds < 120) return `${seconds}s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)}m`
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)}h` : `${Math.round(seconds / 86_400)}d`
}
