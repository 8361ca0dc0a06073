/** Tables of the command line: columns are aligned by terminal cells, not by letters. */
import { describe, expect, it } from "vitest"
import type { Column } from "../../../deploy/cli/Output.ts"
import { age, cut, facts, lineOf, moment, table } from "../../../deploy/cli/Output.ts"

describe("tables", () => {
  const columns: ReadonlyArray<Column<{ readonly name: string; readonly count: number }>> = [
    { head: "NAME", cell: ({ name }) => name },
    { head: "COUNT", cell: ({ count }) => count },
    { head: "END", cell: () => "." }
  ]
  it("a table has its columns under their heads, words left, numbers right, wide letters counted as two", () => {
    const rows = [
      { name: "이코", count: 5 },
      { name: "metally", count: 123_456 },
      { name: "-", count: 0 }
    ]
    expect(table(rows, columns, "").split("\n")).toEqual([
      "NAME      COUNT  END",
      "이코          5  .",
      "metally  123456  .",
      "-             0  ."
    ])
  })
  it("a table shows control characters as escapes, and a row stays one line", () => {
    const rows = [{ name: "a\u001b[2J\n\u009b0m\u202eb\u007f", count: 1 }]
    expect(table(rows, columns, "").split("\n")).toEqual([
      `NAME${" ".repeat(35)}COUNT  END`,
      "a\\u001b[2J\\u000a\\u009b0m\\u202eb\\u007f      1  ."
    ])
  })
  it("a table without rows says so, without heads", () => {
    expect(table([], columns, "nobody here")).toBe("nobody here")
  })
})

describe("rows", () => {
  it("a terminal that does not know its width gets whole rows, as a program does", () => {
    expect(lineOf(false, { isTTY: true, columns: 80 })).toBe(80)
    for (const terminal of [
      { isTTY: true, columns: 0 },
      { isTTY: false, columns: 80 }
    ]) {
      expect(lineOf(false, terminal)).toBe(Infinity)
    }
    expect(lineOf(true, { isTTY: true, columns: 80 })).toBe(Infinity)
  })

  it("a row that is longer than the terminal's line is cut there, by cells, and marked", () => {
    expect(cut("abcdef", 6)).toBe("abcdef")
    expect(cut("abcdef", 5)).toBe("abcd…")
    expect(cut("이코이코", 6)).toBe("이코…")
    expect(cut("abcdef", Infinity)).toBe("abcdef")
  })
})

describe("values", () => {
  it("a value is printed as a line of facts, with a hyphen for none", () => {
    expect(facts({ id: "a", error: { code: "X" }, owner: "", ended: null, attempts: 0 }).split("\n")).toEqual([
      "id        a",
      `error     {"code":"X"}`,
      "owner     -",
      "ended     -",
      "attempts  0"
    ])
  })
  it("a value with control characters is printed with their escapes, in one line", () => {
    expect(facts({ message: "\u001b]0;x\u0007\r\nok", error: { code: "\u009b" } })).toBe(
      'message  \\u001b]0;x\\u0007\\u000d\\u000aok\nerror    {"code":"\\u009b"}'
    )
  })
  it("a duration is printed in its largest unit, and a moment with its offset", () => {
    expect([0, -5, 119_000, 120_000, 7_100_000, 7_300_000, 200_000_000].map(age)).toEqual([
      "0s",
      "0s",
      "119s",
      "2m",
      "118m",
      "2h",
      "2d"
    ])
    expect(moment(null)).toBe("-")
    expect(moment(1_795_295_982_449)).toMatch(/^2026-11-2[12] \d\d:\d\d:42[+-]\d\d:\d\d$/)
    expect(Date.parse(moment(1_795_295_982_000))).toBe(1_795_295_982_000)
  })
})
