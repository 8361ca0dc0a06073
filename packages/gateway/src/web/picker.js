/**
 * Picker: the input for the photo: chosen, dropped, pasted, taken with the camera, or named by its address; the last one counts.
 * Shows the preview; photo.js prepares the file.
 */
import { byId, say } from "./element.js"
import { sizeText, t } from "./i18n.js"
import { UnreadablePhoto, preparePhoto } from "./photo.js"

const MAX_URL_CHARS = 2083
const TYPING_PAUSE_MILLIS = 400
/** Problems of the address field; all others are the photo's. */
const OF_URL = new Set(["problem.url", "problem.urlLong", "error.IMAGE_HOST_NOT_ALLOWED", "error.IMAGE_UNREACHABLE"])

/**
 * @typedef {object} PickedPhoto
 * @property {string} imageUrl what to submit: a data URL or an http(s) address
 * @property {string} picture a thumbnail, or the address
 * @property {Blob | null} blob the bytes of a photo of this device
 * @property {string | null} sentUrl where the service has it, if it was sent before
 */
/**
 * `sent`: a photo of this device that is no longer in memory, but with the service.
 * @typedef {{ readonly kind: "none" }
 *   | { readonly kind: "sent", readonly url: string, readonly picture: string }
 *   | { readonly kind: "file", readonly ready: Promise<import("./photo.js").PreparedPhoto | null> }
 *   | { readonly kind: "url", readonly url: string }} Choice
 */

/** The http(s) address a text is, or null. @param {string} text */
const addressIn = (text) => {
  if (!/^https?:\/\//i.test(text)) return null
  try {
    return new URL(text).href
  } catch {
    return null
  }
}

export const createPicker = () => {
  const photoInput = /** @type {HTMLInputElement} */ (byId("photo-input"))
  const cameraInput = /** @type {HTMLInputElement} */ (byId("camera-input"))
  const urlInput = /** @type {HTMLInputElement} */ (byId("url-input"))
  const preview = /** @type {HTMLImageElement} */ (byId("preview"))
  const [drop, print, actions] = [byId("drop"), byId("print"), byId("print-actions")]
  const [caption, preparing, announcer] = [byId("caption"), byId("preparing"), byId("announce")]
  const [photoProblem, urlProblem] = [byId("photo-error"), byId("url-error")]

  /** @type {Choice} */
  let choice = { kind: "none" }
  /** Redrawn when the language changes. */
  let captionText = () => ""
  let lockedCaption = () => ""
  let problemKey = ""
  let objectUrl = ""
  let locked = false
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing

  const draw = () => {
    caption.textContent = locked ? lockedCaption() : captionText()
    const text = problemKey === "" ? "" : t(problemKey)
    const isOfUrl = OF_URL.has(problemKey)
    say(photoProblem, isOfUrl ? "" : text)
    say(urlProblem, isOfUrl ? text : "")
    photoInput.setAttribute("aria-invalid", String(text !== "" && !isOfUrl))
    urlInput.setAttribute("aria-invalid", String(text !== "" && isOfUrl))
    actions.hidden = locked
  }

  /** @param {string} src "" shows the drop zone again */
  const show = (src) => {
    if (objectUrl !== "" && objectUrl !== src) {
      URL.revokeObjectURL(objectUrl)
      objectUrl = ""
    }
    print.hidden = src === ""
    drop.hidden = src !== ""
    print.classList.remove("blind")
    if (src === "") preview.removeAttribute("src")
    else preview.src = src
  }

  /** @param {string} key */
  const complain = (key) => {
    problemKey = key
    draw()
  }

  const clear = () => {
    clearTimeout(typing)
    choice = { kind: "none" }
    captionText = () => ""
    problemKey = ""
    preparing.hidden = true
    photoInput.value = ""
    cameraInput.value = ""
    urlInput.value = ""
    show("")
    draw()
  }

  /** @param {Blob} file */
  const takeFile = (file) => {
    clear()
    preparing.hidden = false
    announcer.textContent = t("preparing")
    drop.classList.add("busy")
    const ready = preparePhoto(file)
      .then((photo) => {
        if (choice !== mine) return null // another photo was chosen meanwhile
        objectUrl = URL.createObjectURL(photo.blob)
        show(objectUrl)
        const captions = { none: "caption.asis", smaller: "caption.shrunk", metadata: "caption.cleaned" }
        captionText = () => {
          const size = sizeText(photo.blob.size)
          return t(captions[photo.change], { before: sizeText(photo.originalBytes), after: size, size })
        }
        draw()
        announcer.textContent = t("announce.photo")
        return photo
      })
      .catch((error) => {
        if (choice !== mine) return null
        choice = { kind: "none" }
        complain(`problem.${error instanceof UnreadablePhoto ? error.reason : "unreadable"}`)
        return null
      })
      .finally(() => {
        if (choice !== mine && choice.kind === "file") return
        preparing.hidden = true
        drop.classList.remove("busy")
      })
    /** @type {Choice} */
    const mine = { kind: "file", ready }
    choice = mine
  }

  /** @param {string} url */
  const takeUrl = (url) => {
    choice = { kind: "url", url }
    problemKey = ""
    photoInput.value = ""
    cameraInput.value = ""
    preparing.hidden = true
    captionText = () => t("caption.url")
    show(url)
    draw()
  }

  const readUrlField = () => {
    clearTimeout(typing)
    const text = urlInput.value.trim()
    const url = addressIn(text)
    if (url !== null && url.length <= MAX_URL_CHARS) {
      if (choice.kind !== "url" || choice.url !== url) takeUrl(url)
    } else if (choice.kind === "url") {
      choice = { kind: "none" }
      captionText = () => ""
      show("")
      draw()
    }
  }

  for (const input of [photoInput, cameraInput]) {
    input.addEventListener("change", () => {
      const file = input.files?.[0]
      if (file !== undefined) takeFile(file)
    })
  }
  urlInput.addEventListener("input", () => {
    // do not fetch an unfinished address at every key
    clearTimeout(typing)
    typing = setTimeout(readUrlField, TYPING_PAUSE_MILLIS)
  })
  urlInput.addEventListener("change", readUrlField)
  preview.addEventListener("error", () => {
    if (choice.kind !== "url") return
    print.classList.add("blind")
    captionText = () => t("caption.urlBlind")
    draw()
  })
  byId("remove").addEventListener("click", () => {
    clear()
    photoInput.focus()
  })

  document.addEventListener("paste", (event) => {
    if (locked) return
    const file = [...(event.clipboardData?.files ?? [])].find((item) => item.type.startsWith("image/"))
    if (file === undefined) return
    event.preventDefault()
    takeFile(file)
  })

  // the whole window accepts the drop, so that a near miss does not replace the page with the file
  let depth = 0
  /** @param {boolean} on */
  const highlight = (on) => drop.classList.toggle("over", on)
  document.addEventListener("dragenter", (event) => {
    event.preventDefault()
    depth += 1
    highlight(!locked)
  })
  document.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1)
    if (depth === 0) highlight(false)
  })
  document.addEventListener("dragover", (event) => {
    event.preventDefault()
    if (event.dataTransfer !== null) event.dataTransfer.dropEffect = locked ? "none" : "copy"
  })
  document.addEventListener("drop", (event) => {
    event.preventDefault()
    depth = 0
    highlight(false)
    if (locked) return
    const file = event.dataTransfer?.files[0]
    const url = addressIn(event.dataTransfer?.getData("text/uri-list").split("\n")[0]?.trim() ?? "")
    if (file !== undefined) takeFile(file)
    else if (url !== null) {
      clear()
      urlInput.value = url
      readUrlField()
    }
  })

  return {
    clear,
    /** Redraws the texts after a change of language. */
    draw,
    /**
     * Shows what was sent, and accepts nothing new until unlocked.
     * @param {string} picture
     * @param {string | null} question
     */
    lock: (picture, question) => {
      locked = true
      problemKey = ""
      // a photo still in memory is sharper than its thumbnail
      if (picture !== "" && choice.kind === "none") show(picture)
      lockedCaption = () => question ?? t("caption.kept")
      draw()
    },
    unlock: () => {
      locked = false
      if (choice.kind === "none") clear()
      draw()
    },
    /** Shows a problem at the field that it is of: a key of texts.js. */
    complain,
    /** Moves the focus to the field that has a problem, else to the photo. */
    focus: () => (OF_URL.has(problemKey) ? urlInput : photoInput).focus(),
    /** Sets the photo. @param {Blob} file */
    useFile: takeFile,
    /** Whether a photo is still in memory, so that it can be sent again. */
    hasPhoto: () => choice.kind !== "none",
    /** Sets the photo to one that the service has. @param {string} url @param {string} picture */
    useSent: (url, picture) => {
      clear()
      choice = { kind: "sent", url, picture }
      captionText = () => t("caption.kept")
      show(picture)
      draw()
    },
    /** Sets the photo by its address. @param {string} url */
    useUrl: (url) => {
      clear()
      urlInput.value = url
      readUrlField()
    },
    /**
     * The photo to send; null after showing the user what is missing.
     * @returns {Promise<PickedPhoto | null>}
     */
    picked: async () => {
      readUrlField()
      if (choice.kind === "url") return { imageUrl: choice.url, picture: choice.url, blob: null, sentUrl: null }
      if (choice.kind === "sent") {
        return { imageUrl: choice.url, picture: choice.picture, blob: null, sentUrl: choice.url }
      }
      if (choice.kind === "file") {
        const photo = await choice.ready
        return photo === null
          ? null
          : { imageUrl: photo.dataUrl, picture: photo.thumbnail, blob: photo.blob, sentUrl: null }
      }
      const typed = urlInput.value.trim()
      if (typed === "") complain(problemKey === "" ? "problem.noPhoto" : problemKey)
      else complain(typed.length > MAX_URL_CHARS ? "problem.urlLong" : "problem.url")
      return null
    }
  }
}
