/**
 * Session: what survives a reload in this tab. The URL's hash names the job (`#job=<uuid>`); sessionStorage keeps the rest: the
 * picture's thumbnail, the question, the start time.
 */

/**
 * @typedef {object} KeptJob
 * @property {string} jobId
 * @property {string} streamUrl
 * @property {string} resultUrl
 * @property {string} picture thumbnail as a data URL, or the photo's http(s) address; "" when neither is known
 * @property {string | null} [sentUrl] where the service has the photo of this device, as long as it keeps it
 * @property {string | null} imageUrl the http(s) address it was submitted with, null for an uploaded photo
 * @property {string | null} question
 * @property {string | null} model
 * @property {number | null} startedAt milliseconds since the epoch; null when this tab did not start it
 * @property {boolean} open whether a visit without a hash continues it
 */

const STORAGE_KEY = "eco2.job"
const MINE_HASH = "#mine"
const JOB_HASH = /^#job=([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i

/** The job in the address, or null. @returns {string | null} */
export const jobInAddress = () => JOB_HASH.exec(location.hash)?.[1] ?? null

/** Whether the address names the user's own things. */
export const isMineInAddress = () => location.hash === MINE_HASH

/** Puts this job, or none, into the address, as a step in the tab's history. @param {string | null} jobId */
export const showInAddress = (jobId) => {
  if (jobInAddress() === jobId && !isMineInAddress()) return
  const base = `${location.pathname}${location.search}`
  history.pushState(null, "", jobId === null ? base : `${base}#job=${jobId}`)
}

/** @returns {KeptJob | null} */
export const keptJob = () => {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "null")
    return typeof kept?.jobId === "string" && typeof kept.resultUrl === "string" ? kept : null
  } catch {
    return null
  }
}

/** @param {KeptJob} job */
export const keepJob = (job) => {
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(job))
  } catch {
    // full or forbidden: the address still names the job, only the thumbnail is lost
  }
}

/** Marks the kept job as not to be continued by a visit without a hash; its picture stays for going back. */
export const leaveJob = () => {
  const kept = keptJob()
  if (kept !== null) keepJob({ ...kept, open: false })
}

export const forgetJob = () => {
  try {
    sessionStorage.removeItem(STORAGE_KEY)
  } catch {
    // as above
  }
}
