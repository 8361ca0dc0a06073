/**
 * Mine: what is the user's own: the scans that the service still keeps, and the characters earned, with those still missing. The
 * pictures of earlier scans are on this device alone (thumbnails.js). app.js decides when it is shown.
 */
import { ApiError, fetchCatalogue, fetchOwned, fetchScans } from "./api.js"
import { portrait } from "./character.js"
import { button, byId, element } from "./element.js"
import { createErase } from "./erase.js"
import { dateText, errorText, language, t } from "./i18n.js"
import { languageOf } from "./result.js"
import { signIn } from "./signIn.js"
import { thumbnailOf } from "./thumbnails.js"

/** @typedef {import("./api.js").ScanSummary} ScanSummary */
/** @typedef {{ readonly owned: ReadonlyArray<import("./api.js").OwnedCharacter>, readonly all: ReadonlyArray<import("./api.js").CatalogueEntry> }} Collection */

/** A scan, as a link to its result; one that the service has only the answer of opens to that. @param {ScanSummary} scan */
const scanItem = (scan) => {
  const picture = thumbnailOf(scan.job_id) ?? scan.image_url
  const image =
    picture === null
      ? element("span", { class: "scan-picture none", "aria-hidden": "true" })
      : element("img", { class: "scan-picture", src: picture, alt: "", loading: "lazy", referrerpolicy: "no-referrer" })
  image.addEventListener("error", () => image.replaceWith(element("span", { class: "scan-picture none" })))
  const classification = scan.display ?? scan.classification
  const names = [classification?.minor_category, classification?.middle_category, classification?.major_category]
  const name = names.find((part) => typeof part === "string" && part !== "")
  const title = name ?? t(`mine.${scan.status}`)
  const answer =
    scan.user_answer !== null &&
    element("span", { class: "scan-answer", lang: languageOf(scan.user_answer ?? undefined) }, [scan.user_answer])
  const parts = [
    image,
    element("span", { class: "scan-text" }, [
      element("strong", { lang: name === undefined ? null : languageOf(name) }, [title]),
      answer,
      element("span", { class: "scan-when" }, [
        element("time", { datetime: scan.created_at }, [dateText(scan.created_at)]),
        scan.status !== "completed" && name !== undefined && ` · ${t(`mine.${scan.status}`)}`,
        scan.character !== null && " · ",
        scan.character !== null && element("span", { lang: "ko" }, [scan.character]),
        scan.simulated && ` · ${t("result.simulated")}`
      ])
    ])
  ]
  if (scan.result_url === null) {
    return element("li", {}, [
      element("details", { class: "kept", "data-testid": "kept-scan" }, [element("summary", { class: "scan" }, parts)])
    ])
  }
  return element("li", {}, [
    element("a", { class: "scan", href: `/#job=${scan.job_id}`, "data-testid": "scan" }, parts)
  ])
}

/** @param {Collection} collection */
const collectionView = ({ all, owned }) => {
  const codes = new Map(owned.map((one) => [one.name, one]))
  const ordered = [...all].sort((a, b) => Number(codes.has(b.name)) - Number(codes.has(a.name)))
  const items = ordered.map(({ dialog, match, match_display: shown, name }) => {
    const mine = codes.get(name)
    return element(
      "li",
      { class: mine === undefined ? "missing" : null, "data-testid": mine === undefined ? "missing" : "owned" },
      [
        portrait(name, mine === undefined ? t("mine.notYet") : t("result.characterAlt", { name })),
        element("strong", { lang: "ko" }, [mine === undefined ? "?" : name]),
        element("span", { lang: languageOf(mine === undefined ? undefined : dialog) }, [
          mine === undefined ? (match === null ? t("mine.byAnything") : t("mine.by", { what: shown ?? match })) : dialog
        ])
      ]
    )
  })
  return [
    element("p", { class: "count", "data-testid": "collected" }, [
      t("mine.collected", { owned: all.filter(({ name }) => codes.has(name)).length, all: all.length })
    ]),
    element("ul", { class: "characters", role: "list" }, items)
  ]
}

export const createMine = () => {
  const [list, more, problem, collection] = [byId("scans"), byId("more-scans"), byId("mine-error"), byId("collection")]
  /** @type {Array<ScanSummary>} */
  let scans = []
  /** @type {string | null} */
  let next = null
  let complete = true
  let loaded = false
  let loading = false
  /** @type {ApiError | Error | null} */
  let failure = null
  /** @type {Collection | null} */
  let held = null
  let visit = 0

  const open = () => {
    visit += 1
    scans = []
    next = null
    complete = true
    loaded = false
    loading = false
    failure = null
    void load()
    void loadCollection()
  }
  /** The lists are empty now; asking for the characters would grant the default one anew. */
  const erased = () => {
    visit += 1
    scans = []
    next = null
    complete = true
    loaded = true
    loading = false
    failure = null
    held = held === null ? null : { all: held.all, owned: [] }
    draw()
  }
  const erase = createErase(erased)

  const draw = () => {
    erase.draw()
    list.replaceChildren(...scans.map(scanItem))
    byId("no-scans").hidden = !loaded || scans.length > 0 || failure !== null
    byId("mine-loading").hidden = loaded || failure !== null
    more.replaceChildren(
      ...(next === null
        ? []
        : [button(t(loading ? "opening" : "mine.more"), { testid: "more-scans" }, () => void load())])
    )
    byId("mine-incomplete").hidden = complete
    problem.hidden = failure === null
    problem.replaceChildren(
      ...(failure === null ? [] : [failure instanceof ApiError ? errorText(failure) : t("mine.network")]),
      ...(failure instanceof ApiError && failure.status === 401 ? [signIn()] : [])
    )
    collection.replaceChildren(
      ...(held === null ? [element("p", { class: "working-note" }, [t("mine.noCharacters")])] : collectionView(held))
    )
  }

  const load = async () => {
    if (loading) return
    loading = true
    const mine = visit
    draw()
    try {
      const page = await fetchScans(next)
      if (mine !== visit) return
      scans = [...scans, ...page.scans]
      next = page.next_cursor
      complete = page.complete !== false
      loaded = true
      failure = null
    } catch (error) {
      if (mine !== visit) return
      failure = error instanceof Error ? error : new Error(String(error))
    } finally {
      loading = false
      if (mine === visit) draw()
    }
  }

  const loadCollection = async () => {
    const mine = visit
    const [all, owned] = await Promise.all([fetchCatalogue(language()), fetchOwned()])
    if (mine !== visit) return
    held = all === null || owned === null ? null : { all, owned }
    draw()
  }

  return {
    draw: () => {
      if (held !== null) void loadCollection()
      draw()
    },
    /** Loads everything anew. */
    open: () => {
      erase.open()
      open()
    }
  }
}
