/** `eco2` where its file is named: `node deploy/cli/main.ts`. What it does is in start.mjs. */
await import(new URL("./start.mjs", import.meta.url).href)
