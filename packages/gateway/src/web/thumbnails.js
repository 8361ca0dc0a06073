/**
 * Thumbnails: small pictures of the photos sent from this device, by job, so that the list of earlier scans shows them. They
 * stay on the device, the latest few; the service deletes a photo when it has been read.
 */
const STORAGE_KEY = "eco2.thumbnails"
const MOST = 40
const SIDE = 96

/** @returns {Array<[jobId: string, dataUrl: string]>} the latest first */
const kept = () => {
  try {
    const value = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "[]")
    return Array.isArray(value)
      ? value.filter((entry) => Array.isArray(entry) && String(entry[1]).startsWith("data:image/jpeg;base64,"))
      : []
  } catch {
    return []
  }
}

/** @param {string} jobId @returns {string | null} */
export const thumbnailOf = (jobId) => kept().find(([id]) => id === jobId)?.[1] ?? null

export const forgetThumbnails = () => {
  try {
    localStorage.removeItem(STORAGE_KEY)
  } catch {
    // forbidden: then none were kept
  }
}

/** Keeps a small picture of a photo; `picture` is a data URL. @param {string} jobId @param {string} picture */
export const keepThumbnail = async (jobId, picture) => {
  if (!picture.startsWith("data:")) return
  const image = new Image()
  image.src = picture
  try {
    await image.decode()
    const canvas = document.createElement("canvas")
    canvas.width = SIDE
    canvas.height = SIDE
    const scale = Math.max(SIDE / image.naturalWidth, SIDE / image.naturalHeight)
    const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale]
    canvas.getContext("2d")?.drawImage(image, (SIDE - width) / 2, (SIDE - height) / 2, width, height)
    const others = kept().filter(([id]) => id !== jobId)
    localStorage.setItem(
      STORAGE_KEY,
      JSON.stringify([[jobId, canvas.toDataURL("image/jpeg", 0.7)], ...others].slice(0, MOST))
    )
  } catch {
    // full, forbidden, or no picture: the list does without
  }
}
