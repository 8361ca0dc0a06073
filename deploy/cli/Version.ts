/** Version: what `eco2 --version` prints; main prints it without loading anything else. */
export const version = "0.1.0"
export const versionLine: string = `eco2 v${version}`
