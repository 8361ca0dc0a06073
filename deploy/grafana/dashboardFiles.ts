/** The dashboards as the files that the chart and Compose give to Grafana. */
import { toJson } from "./Dashboard.ts"
import { fleet } from "./fleet.ts"
import { mailboxes } from "./mailboxes.ts"
import { models } from "./models.ts"
import { news } from "./news.ts"
import { pipeline } from "./pipeline.ts"
import { streams } from "./streams.ts"

/** The folder of the files. */
export const folder = new URL("../helm/eco2/files/dashboards/", import.meta.url)

export const files: ReadonlyMap<string, string> = new Map(
  [fleet, pipeline, mailboxes, models, streams, news].map((one) => [`${one.name}.json`, toJson(one)])
)
