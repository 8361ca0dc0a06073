/**
 * Program: writes a shell script that a test runs. Another process writes the file: one that this process has open for writing
 * while another thread starts a program cannot be started ("text file busy").
 */
import { spawnSync } from "node:child_process"

/** `lines`: without the first, `#!/bin/sh`. */
export const write = (path: string, lines: ReadonlyArray<string>): void => {
  const { status, stderr } = spawnSync("sh", ["-c", 'cat > "$1" && chmod 755 "$1"', "sh", path], {
    input: ["#!/bin/sh", ...lines, ""].join("\n"),
    encoding: "utf8"
  })
  if (status !== 0) throw new Error(`${path} was not written: ${stderr}`)
}
