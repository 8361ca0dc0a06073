/**
 * App: the page as a whole. Holds the page's state (composing, watching a job, showing its end) and connects picker, api,
 * follow, progress, draft and result.
 */
import {
  ApiError,
  Stopped,
  Unreachable,
  cancelScan,
  fetchModels,
  fetchResult,
  putPhoto,
  submitScan,
  urlsOf
} from "./api.js"
import { createDraft } from "./draft.js"
import { byId, element, say } from "./element.js"
import { follow } from "./follow.js"
import { errorText, language, setLanguage, t, translatePage } from "./i18n.js"
import { createMine } from "./mine.js"
import { createPicker } from "./picker.js"
import { isText } from "./pieces.js"
import { createProgress } from "./progress.js"
import { cancelledView, completedView, failedView, goneView, refusedView } from "./result.js"
import { signIn } from "./signIn.js"
import { keepThumbnail } from "./thumbnails.js"
import { forgetJob, isMineInAddress, jobInAddress, keepJob, keptJob, leaveJob, showInAddress } from "./session.js"

/** @typedef {import("./session.js").KeptJob} KeptJob */
/**
 * @typedef {{ readonly kind: "result", readonly body: import("./api.js").ResultBody }
 *   | { readonly kind: "gone" }
 *   | { readonly kind: "refused", readonly error: ApiError }} Ending
 */

const form = /** @type {HTMLFormElement} */ (byId("compose"))
const question = /** @type {HTMLTextAreaElement} */ (byId("question"))
const model = /** @type {HTMLSelectElement} */ (byId("model"))
const submit = /** @type {HTMLButtonElement} */ (byId("submit"))
const cancel = /** @type {HTMLButtonElement} */ (byId("cancel"))
const [ending, announcer, cancelError] = [byId("ending"), byId("announce"), byId("cancel-error")]
const [practice, sending, sentText] = [byId("practice"), byId("sending"), byId("sent-text")]
const sent = /** @type {HTMLProgressElement} */ (byId("sent"))
/** Where a refusal is shown, by the field that it is of; `submit`: of none. */
const fields = { submit, question, model }
/** @typedef {keyof typeof fields} FieldName */
/** What a refusal's code says of a field; of the photo's the picker knows. @type {Readonly<Record<string, FieldName>>} */
const FIELD_OF = { UNSUPPORTED_MODEL: "model", MODEL_UNSUITABLE: "model", MODEL_INPUT_TOO_LONG: "question" }
const picker = createPicker()
const progress = createProgress()
const draft = createDraft()
const things = createMine()

/** @type {"compose" | "opening" | "running" | "ending" | "mine"} */
let view = "compose"
/** @type {KeptJob | null} */
let job = null
/** @type {Ending | null} */
let end = null
/** The last submit, while this page is open: a retry needs no photo chosen again. @type {{ jobId: string, request: import("./api.js").ScanRequest, photo: import("./picker.js").PickedPhoto } | null} */
let submitted = null
/** The key of a submit without a certain answer: the same body under it is never scanned twice. @type {{ body: string, key: string } | null} */
let unanswered = null
/** Where the service has the photos of this page: none is sent twice. @type {WeakMap<Blob, string>} */
const addresses = new WeakMap()
/** The upload under way. @type {AbortController | null} */
let uploading = null
let sendingSince = 0
let submitting = false
let cancelling = false
/** The model of all jobs, where only one is on offer; else "". */
let onlyModel = ""
/** The model of a scan that names none; "" until the models on offer are known. */
let defaultModel = ""
let submitProblem = () => ""
/** @type {FieldName} */
let problemField = "submit"
/** Whether the refusal was that the user is not signed in. */
let isUnknown = false
let cancelProblem = () => ""
let stopFollowing = () => {}
/** Counts up whenever the page turns to something else; results of an earlier visit are dropped. */
let visit = 0

// ---- drawing

/** @returns {"done" | "failed" | "cancelled" | "gone"} */
const outcomeOf = (/** @type {Ending} */ how) => {
  if (how.kind === "gone") return "gone"
  if (how.kind === "refused") return "failed"
  return how.body.status === "completed" ? "done" : how.body.status === "cancelled" ? "cancelled" : "failed"
}

/** The title tells the state, for who looks at another tab. */
const drawTitle = () => {
  const state =
    view === "running"
      ? t("document.running", { percent: progress.percent() })
      : view === "ending" && end !== null
        ? t(`document.${outcomeOf(end)}`)
        : view === "mine"
          ? t("mine.document")
          : ""
  document.title = state === "" ? "Eco²" : `${state} · Eco²`
}

/** An upload that ends at once is not worth showing. */
const UPLOAD_SHOWN_MILLIS = 400

const drawSending = () => {
  sending.hidden = uploading === null || Date.now() - sendingSince < UPLOAD_SHOWN_MILLIS
  sentText.textContent = t("sending.share", { percent: Math.round(sent.value) })
}

const drawProblem = () => {
  const text = submitProblem()
  for (const [name, field] of Object.entries(fields)) {
    const isHere = text !== "" && name === problemField
    say(byId(`${name}-error`), isHere ? text : "")
    if (field !== submit) field.setAttribute("aria-invalid", String(isHere))
  }
  if (text !== "" && isUnknown) byId("submit-error").append(signIn())
}

const isPractice = () => (model.value || onlyModel) === "simulated"

/** @param {ParentNode} where @returns {HTMLDetailsElement | null} */
const ruleOf = (where) => where.querySelector("details.rule")

const drawEnding = () => {
  if (end === null) return
  const on = { again: startOver, retry, another: askMore, share: shareText }
  const open = (ending.childElementCount === 0 ? draft.isUnfolded() : ruleOf(ending)?.open) === true
  const parts =
    end.kind === "gone"
      ? goneView(on)
      : end.kind === "refused"
        ? refusedView(end.error, on)
        : end.body.status === "failed"
          ? failedView(end.body, on)
          : end.body.status === "cancelled"
            ? cancelledView(end.body, on)
            : completedView(end.body, on)
  ending.replaceChildren(...parts.filter((part) => part !== null && part !== false))
  const details = ruleOf(ending)
  if (open && details !== null) details.open = true
}

const draw = () => {
  document.body.dataset["view"] = view
  byId("intro").hidden = view !== "compose"
  form.hidden = view !== "compose"
  byId("url-field").hidden = view !== "compose"
  byId("running").hidden = view !== "running"
  byId("mine").hidden = view !== "mine"
  byId("opening").hidden = view !== "opening"
  ending.hidden = view !== "ending"
  const retrying = ending.querySelector('[data-testid="retry"]')
  if (retrying !== null) {
    retrying.setAttribute("aria-disabled", String(submitting))
    retrying.textContent = t(submitting ? "submitting" : "retry")
  }
  submit.setAttribute("aria-disabled", String(submitting))
  submit.textContent = t(submitting ? "submitting" : "submit")
  cancel.setAttribute("aria-disabled", String(cancelling))
  cancel.textContent = t(cancelling ? "cancelling" : "cancel")
  practice.hidden = !isPractice()
  drawProblem()
  drawSending()
  say(cancelError, cancelProblem())
  drawTitle()
}

const drawLanguage = () => {
  translatePage()
  for (const option of model.options) {
    if (option.value === "simulated") option.textContent = t("model.simulated", { model: option.value })
  }
  announcer.textContent = ""
  picker.draw()
  progress.draw()
  draft.draw()
  drawEnding()
  things.draw()
  draw()
}

/** Moves the focus to an element, for screen readers. @param {string} id @param {boolean} [still] whether nothing may scroll */
const focusOn = (id, still = false) => document.getElementById(id)?.focus({ preventScroll: still })

// ---- the three views

const showCompose = () => {
  visit += 1
  stopFollowing()
  progress.stop()
  view = "compose"
  job = null
  end = null
  ending.replaceChildren()
  submitProblem = () => ""
  picker.unlock()
  draw()
}

/** The user's own scans and characters. */
const showMine = () => {
  visit += 1
  stopFollowing()
  progress.stop()
  view = "mine"
  job = null
  end = null
  ending.replaceChildren()
  things.open()
  draw()
  focusOn("mine-heading")
}

/** @param {Ending} how */
const showEnding = (how) => {
  progress.stop()
  view = "ending"
  end = how
  if (job !== null && how.kind === "result") keepJob({ ...job, open: false })
  drawEnding()
  draw()
  const outcome = outcomeOf(how)
  announcer.textContent = outcome === "gone" ? t("gone.title") : t(`announce.${outcome}`)
  // somebody is reading the answer that the result repeats
  focusOn("ending-heading", outcome === "done" && draft.hasText())
  draft.start(() => false)
}

/** Watches an open job until its end. @param {KeptJob} next */
const showRunning = (next) => {
  const mine = ++visit
  stopFollowing()
  job = next
  end = null
  ending.replaceChildren()
  view = "running"
  cancelling = false
  cancelProblem = () => ""
  picker.lock(next.picture, next.question)
  progress.start(next.startedAt)
  draft.start(() => (next.model ?? onlyModel) === "simulated")
  draw()
  const current = () => mine === visit
  stopFollowing = follow(next, {
    event: (event) => {
      draft.apply(event)
      // after the last piece
      if (draft.hasText()) progress.setWriting(draft.isWriting())
      if (!isText(event.status)) progress.apply(event)
      drawTitle()
    },
    snapshot: (body) => {
      progress.snapshot(body)
      drawTitle()
    },
    connection: (connected) => {
      draft.setConnected(connected)
      progress.setConnected(connected)
    },
    ended: (body) => {
      draft.end()
      progress.end(body.status === "failed" ? (body.error?.stage ?? null) : null)
      // shows the full bar for a moment
      const glanceMillis = body.status === "completed" ? 450 : 0
      setTimeout(() => current() && showEnding({ kind: "result", body }), glanceMillis)
    },
    gone: () => {
      if (!current()) return
      forgetJob()
      showEnding({ kind: "gone" })
    },
    refused: (error) => current() && showEnding({ kind: "refused", error })
  })
}

/** Opens a job named by the address, or left open in this tab: asks for its state, then watches it or shows its end. @param {string} jobId */
const openJob = async (jobId) => {
  const mine = ++visit
  stopFollowing()
  const kept = keptJob()
  /** @type {KeptJob} */
  const next =
    kept?.jobId === jobId
      ? kept
      : {
          jobId,
          ...urlsOf(jobId),
          picture: "",
          imageUrl: null,
          question: null,
          model: null,
          startedAt: null,
          open: true
        }
  job = next
  end = null
  view = "opening"
  picker.clear()
  picker.lock(next.picture, next.question)
  draw()
  try {
    const reply = await fetchResult(next.resultUrl)
    if (mine !== visit) return
    if (reply.kind === "open") {
      showRunning(next)
      progress.snapshot(reply.body)
      return
    }
    if (reply.kind === "gone" && kept?.jobId === jobId) forgetJob()
    showEnding(reply.kind === "ended" ? { kind: "result", body: reply.body } : { kind: "gone" })
  } catch (error) {
    if (mine !== visit) return
    // no answer yet: following retries, and shows that it does
    if (error instanceof Unreachable || (error instanceof ApiError && error.status >= 500)) showRunning(next)
    else if (error instanceof ApiError) showEnding({ kind: "refused", error })
    else throw error
  }
}

// ---- submitting

/**
 * The address under which a scan names the photo: a photo of this device is put to the service first, once. A service that takes
 * no photos by address gets it in the request.
 * @param {import("./picker.js").PickedPhoto} photo
 * @param {AbortSignal} signal
 */
const addressOf = async (photo, signal) => {
  if (photo.blob === null) return photo.imageUrl
  const known = addresses.get(photo.blob)
  if (known !== undefined) return known
  try {
    const contentType = /^data:([^;]+);/.exec(photo.imageUrl)?.[1] ?? photo.blob.type
    const address = await putPhoto(photo.blob, contentType, { signal, sent: drawSent })
    addresses.set(photo.blob, address)
    return address
  } catch (error) {
    if (error instanceof ApiError && (error.status === 403 || error.status === 404 || error.status === 405)) {
      return photo.imageUrl
    }
    throw error
  }
}

/** @param {number} share of the photo, from 0 to 1 */
const drawSent = (share) => {
  sent.value = share * 100
  drawSending()
}

/** Whether the service no longer has a photo that the request named by its address. @param {unknown} error */
const isPhotoGone = (error) =>
  error instanceof ApiError && error.status === 422 && error.detail?.startsWith("image_url") === true

/**
 * Sends a request; the key is new unless the same one went unanswered before.
 * @param {import("./api.js").ScanRequest} request
 * @param {import("./picker.js").PickedPhoto} photo
 */
const send = async (request, photo) => {
  if (submitting) return
  const mine = ++visit
  submitting = true
  submitProblem = () => ""
  isUnknown = false
  uploading = new AbortController()
  sent.value = 0
  sendingSince = Date.now()
  setTimeout(drawSending, UPLOAD_SHOWN_MILLIS + 20)
  announcer.textContent = t("announce.sending")
  draw()
  try {
    const { signal } = uploading
    const submitAt = async () => {
      const address = await addressOf(photo, signal)
      /** @param {string | null} model */
      const bodyWith = (model) => JSON.stringify({ ...request, image_url: address, model })
      const same = [bodyWith(request.model)]
      // sent before the models on offer were known, it named none
      if (request.model === defaultModel) same.push(bodyWith(null))
      if (unanswered === null || !same.includes(unanswered.body)) {
        const key = crypto.randomUUID === undefined ? randomKey() : crypto.randomUUID()
        unanswered = { body: bodyWith(request.model), key }
      }
      const whole = address === photo.imageUrl && photo.blob !== null
      const sending = { signal, sent: whole ? drawSent : () => {} }
      const accepted = await submitScan(unanswered.body, unanswered.key, sending)
      return accepted
    }
    const accepted = await submitAt().catch((error) => {
      if (!isPhotoGone(error) || photo.blob === null || !addresses.delete(photo.blob)) throw error
      return submitAt()
    })
    unanswered = null
    submitted = { jobId: accepted.job_id, request, photo }
    /** @type {KeptJob} */
    const next = {
      jobId: accepted.job_id,
      streamUrl: accepted.stream_url,
      resultUrl: accepted.result_url,
      picture: photo.picture,
      imageUrl: photo.blob === null && photo.sentUrl === null ? photo.imageUrl : null,
      sentUrl: photo.blob === null ? photo.sentUrl : (addresses.get(photo.blob) ?? null),
      question: request.user_input,
      model: request.model,
      startedAt: Date.now(),
      open: true
    }
    keepJob(next)
    void keepThumbnail(next.jobId, next.picture)
    submitting = false
    if (mine !== visit) return draw() // the user turned to something else; the job is kept and continues
    showInAddress(next.jobId)
    showRunning(next)
    focusOn("running-heading")
  } catch (error) {
    submitting = false
    // a refusal started nothing, so its key is no longer needed; otherwise the next press may repeat the request
    if (error instanceof ApiError && error.status < 500) unanswered = null
    problemField = "submit"
    let isOfPhoto = false
    if (error instanceof ApiError) {
      const code = error.code ?? ""
      isUnknown = error.status === 401
      if (isPhotoGone(error) && photo.sentUrl !== null) {
        picker.clear()
        picker.complain("problem.pickAgain")
        isOfPhoto = true
      } else isOfPhoto = code.startsWith("IMAGE_") && t(`error.${code}`) !== `error.${code}`
      problemField = FIELD_OF[code] ?? "submit"
      if (fields[problemField].closest("[hidden]") !== null) problemField = "submit"
      submitProblem = isOfPhoto ? () => "" : () => errorText(error)
      if (isOfPhoto && code.startsWith("IMAGE_")) picker.complain(`error.${code}`)
    } else if (error instanceof Stopped) submitProblem = () => t("sending.kept")
    else if (error instanceof Unreachable) {
      submitProblem = () => t(navigator.onLine ? "problem.network" : "offline")
    } else throw error
    const problem = submitProblem
    if (mine === visit && view !== "compose") {
      showInAddress(null)
      showCompose()
      submitProblem = problem
    }
    draw()
    if (mine !== visit && view !== "compose") return
    if (isOfPhoto) picker.focus()
    else fields[problemField].focus()
  } finally {
    uploading = null
    drawSending()
  }
}

/** Pages on plain http have no randomUUID, except on this machine. */
const randomKey = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")

/** Submits the same input as a new job. If the photo is no longer in memory, it has to be chosen again. */
function retry() {
  const previous = job ?? keptJob()
  if (previous !== null && submitted?.jobId === previous.jobId) {
    void send(submitted.request, submitted.photo)
    return
  }
  forgetJob()
  showInAddress(null)
  showCompose()
  question.value = previous?.question ?? ""
  if (previous?.model) model.value = previous.model
  if (previous?.sentUrl || previous?.imageUrl) {
    if (previous.sentUrl) picker.useSent(previous.sentUrl, previous.picture)
    else if (previous.imageUrl) picker.useUrl(previous.imageUrl)
    form.requestSubmit()
  } else {
    picker.complain("problem.pickAgain")
    picker.focus()
  }
}

/** Another question about the same photo. */
function askMore() {
  const previous = job ?? keptJob()
  forgetJob()
  showInAddress(null)
  showCompose()
  question.value = ""
  if (!picker.hasPhoto() && previous?.sentUrl) picker.useSent(previous.sentUrl, previous.picture)
  else if (!picker.hasPhoto() && previous?.imageUrl) picker.useUrl(previous.imageUrl)
  if (picker.hasPhoto()) return question.focus()
  picker.complain("problem.pickAgain")
  picker.focus()
}

/** Passes an answer on: by the system's own dialog, else by the clipboard. @param {string} text */
async function shareText(text) {
  try {
    if (navigator.share !== undefined) return await navigator.share({ title: "Eco²", text })
    await navigator.clipboard.writeText(text)
    announceShare("share.copied")
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return // the user closed the dialog
    announceShare("share.failed")
  }
}

/** @param {string} key */
const announceShare = (key) => {
  announcer.textContent = t(key)
  const share = ending.querySelector('[data-testid="share"]')
  if (share === null) return
  share.textContent = t(key)
  setTimeout(() => {
    share.textContent = t("share")
  }, 3000)
}

/** Clears everything for the next photo. */
function startOver() {
  forgetJob()
  submitted = null
  showInAddress(null)
  picker.clear()
  question.value = ""
  showCompose()
  picker.focus()
}

form.addEventListener("submit", async (event) => {
  event.preventDefault()
  if (submitting) return
  const photo = await picker.picked()
  if (photo === null) {
    picker.focus()
    return
  }
  const text = question.value.trim()
  /** @type {import("./api.js").ScanRequest} */
  const request = {
    image_url: photo.imageUrl,
    user_input: text === "" ? null : text,
    model: byId("model-field").hidden ? null : model.value,
    language: language()
  }
  await send(request, photo)
})

byId("stop-sending").addEventListener("click", () => uploading?.abort())

byId("url-input").addEventListener("keydown", (event) => {
  if (event instanceof KeyboardEvent && event.key === "Enter" && !event.isComposing) form.requestSubmit()
})

question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit()
})

cancel.addEventListener("click", async () => {
  if (job === null || cancelling) return
  const { jobId, resultUrl } = job
  const mine = visit
  cancelling = true
  cancelProblem = () => ""
  draw()
  try {
    await cancelScan(jobId)
  } catch (error) {
    if (mine !== visit || view !== "running") return
    // finished or gone before the cancel came: the result shows it
    const over = error instanceof ApiError && (error.status === 409 || error.status === 404)
    if (!over) {
      cancelling = false
      cancelProblem = () => (error instanceof ApiError ? errorText(error) : t("problem.cancelNetwork"))
      draw()
      return
    }
  }
  // normally the stream reports the end at once; if it cannot, ask for the result
  setTimeout(async () => {
    if (mine !== visit || view !== "running") return
    const reply = await fetchResult(resultUrl).catch(() => null)
    if (reply === null || mine !== visit || view !== "running") return
    if (reply.kind === "open") return
    stopFollowing()
    showEnding(reply.kind === "ended" ? { kind: "result", body: reply.body } : { kind: "gone" })
  }, 1500)
})

// ---- language, models, where to begin

byId("language").addEventListener("click", async (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return
  event.preventDefault()
  if (await setLanguage(language() === "ko" ? "en" : "ko")) drawLanguage()
  else announcer.textContent = t(navigator.onLine ? "problem.network" : "offline")
})

byId("example").addEventListener("click", async () => {
  const response = await fetch("/assets/example.jpg").catch(() => null)
  if (response === null || !response.ok) return picker.complain("problem.example")
  picker.useFile(await response.blob())
})

byId("home").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return
  event.preventDefault()
  // the running job is left, not forgotten: going back opens it again
  leaveJob()
  showInAddress(null)
  picker.clear()
  showCompose()
})

/** The address decides what is shown; back and forward change it. */
const followAddress = () => {
  const named = jobInAddress()
  if (isMineInAddress()) {
    leaveJob()
    picker.clear()
    showMine()
  } else if (named === null) {
    if (view === "compose") return
    leaveJob()
    showCompose()
  } else if (named !== job?.jobId) void openJob(named)
}
window.addEventListener("popstate", followAddress)
window.addEventListener("hashchange", followAddress)

const drawOffline = () => {
  byId("offline").hidden = navigator.onLine
}
window.addEventListener("online", () => {
  drawOffline()
  announcer.textContent = t("announce.online")
})
window.addEventListener("offline", drawOffline)

model.addEventListener("change", draw)

const offerModels = async () => {
  const offer = await fetchModels()
  defaultModel = offer?.default ?? ""
  if (offer?.models.length === 1) onlyModel = offer.models[0] ?? ""
  if (offer === null || offer.models.length < 2) {
    draft.draw()
    return draw()
  }
  const chosen = model.value
  model.replaceChildren(...offer.models.map((name) => element("option", { value: name }, [name])))
  model.value = offer.models.includes(chosen) ? chosen : offer.default
  byId("model-field").hidden = false
  drawLanguage()
}

drawLanguage()
drawOffline()
void offerModels()
const named = jobInAddress()
const kept = keptJob()
if (named !== null) void openJob(named)
else if (isMineInAddress()) showMine()
else if (kept?.open === true) {
  showInAddress(kept.jobId)
  void openJob(kept.jobId)
}
