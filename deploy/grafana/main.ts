/** `npm run dashboards`: writes the dashboards' JSON files after a change of their sources. */
import { mkdirSync, writeFileSync } from "node:fs"
import { files, folder } from "./dashboardFiles.ts"

mkdirSync(folder, { recursive: true })
for (const [name, text] of files) writeFileSync(new URL(name, folder), text)
