/** Every dashboard as the file the chart and compose hand to Grafana. */
import { toJson } from "./Dashboard.ts"
import { fleet } from "./fleet.ts"
import { mailboxes } from "./mailboxes.ts"
import { models } from "./models.ts"
import { news } from "./news.ts"
import { pipeline } from "./pipeline.ts"
import { streams } from "./streams.ts"

/** Where the files stand. */
export const folder = new URL("../helm/eco2/files/dashboards/", import.meta.url)

export const files: ReadonlyMap<string, string> = new Map(
  [fleet, pipeline, mailboxes, models, streams, news].map((one) => [`${one.name}.json`, toJson(one)])
)
