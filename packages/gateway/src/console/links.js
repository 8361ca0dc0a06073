/** Links: to a job, by the beginning of its id; the whole stands in the title. */
import { withChanges } from "./address.js"
import { link } from "./element.js"

/** @param {string} id */
export const jobLink = (id) => link(withChanges({ job: id }), id.slice(0, 8), { class: "id", title: id })
