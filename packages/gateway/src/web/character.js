/**
 * Character: the drawing of each character that a scan can earn, and its card. A name without a drawing gets the default's
 * shape, so that a new character never leaves a gap.
 */
import { element } from "./element.js"
import { language, t } from "./i18n.js"

const SVG = "http://www.w3.org/2000/svg"

/** @typedef {readonly [tag: string, attributes: Readonly<Record<string, string | number>>]} Shape */
/**
 * @typedef {object} Drawing
 * @property {string} latin the name in Latin letters
 * @property {string} hue the backdrop
 * @property {ReadonlyArray<Shape>} body
 * @property {readonly [x: number, y: number]} face where the face sits, on 120 × 120
 */

const INK = "#22332a"

/** @param {string} d @param {string} fill @returns {Shape} */
const path = (d, fill) => ["path", { d, fill }]
/** @param {number} x @param {number} y @param {number} width @param {number} height @param {string} fill @param {number} [rx] @returns {Shape} */
const box = (x, y, width, height, fill, rx = 0) => ["rect", { x, y, width, height, fill, rx }]
/** A line without filling. @param {string} d @param {number} [width] @returns {Shape} */
const line = (d, width = 2.5) => ["path", { d, fill: "none", "stroke-width": width }]

/** @type {Readonly<Record<string, Drawing>>} */
const DRAWINGS = {
  페이피: {
    latin: "Paepy",
    hue: "#f3e3c3",
    body: [
      path("M33 20h38l18 18v60a4 4 0 0 1-4 4H33a4 4 0 0 1-4-4V24a4 4 0 0 1 4-4z", "#fffaf0"),
      path("M71 20v18h18z", "#e3cfa3"),
      line("M40 36h20M40 46h30"),
      line("M40 90h38")
    ],
    face: [59, 66]
  },
  팩토리: {
    latin: "Factory",
    hue: "#d9e8f2",
    body: [
      box(46, 12, 28, 12, "#8fb8d6", 2),
      path("M46 24h28l14 22H32z", "#bcd8ea"),
      path("M32 46h56v54a4 4 0 0 1-4 4H36a4 4 0 0 1-4-4z", "#ffffff"),
      path("M32 84h56v16a4 4 0 0 1-4 4H36a4 4 0 0 1-4-4z", "#8fb8d6")
    ],
    face: [60, 62]
  },
  페티: {
    latin: "Petty",
    hue: "#d5ecea",
    body: [
      box(50, 10, 20, 10, "#4f9f98", 3),
      path("M52 20h16v8c0 6 16 9 16 24v44a8 8 0 0 1-8 8H44a8 8 0 0 1-8-8V52c0-15 16-18 16-24z", "#eefaf8"),
      path("M36 78h48v14H36z", "#86c7c0"),
      line("M44 50c1-5 5-8 8-10", 3)
    ],
    face: [60, 61]
  },
  메탈리: {
    latin: "Metally",
    hue: "#e2e4e6",
    body: [
      path("M32 28h56v66c0 6-12 10-28 10s-28-4-28-10z", "#c7ced3"),
      ["ellipse", { cx: 60, cy: 27, rx: 28, ry: 9, fill: "#eef1f3" }],
      ["ellipse", { cx: 60, cy: 26, rx: 8, ry: 3.5, fill: "#9aa5ac" }],
      path("M32 84c8 6 48 6 56 0v10c0 6-12 10-28 10s-28-4-28-10z", "#d77b5f")
    ],
    face: [60, 58]
  },
  비니: {
    latin: "Bini",
    hue: "#f6dfe2",
    body: [
      path("M36 40V22c0-7 11-7 11 0v12h26V22c0-7 11-7 11 0v18l6 54c1 6-3 10-8 10H38c-5 0-9-4-8-10z", "#fdf0f1"),
      line("M47 34c2 5 24 5 26 0"),
      line("M38 92c6-3 10 3 16 0s10 3 16 0 8 2 12 0", 2.5)
    ],
    face: [60, 62]
  },
  글래시: {
    latin: "Glassy",
    hue: "#dcebd3",
    body: [
      box(42, 12, 36, 13, "#b98d5a", 4),
      path("M44 25h32c2 8 12 9 12 20v49a10 10 0 0 1-10 10H42a10 10 0 0 1-10-10V45c0-11 10-12 12-20z", "#c2e0b4"),
      path("M32 74c10-5 18 4 28 0s18-4 28 0v20a10 10 0 0 1-10 10H42a10 10 0 0 1-10-10z", "#8fc07a"),
      line("M41 46v14", 3)
    ],
    face: [60, 56]
  },
  코튼: {
    latin: "Cotton",
    hue: "#e6e0f0",
    body: [
      path("M42 20c6 10 30 10 36 0l22 12-8 24-12-5v48a5 5 0 0 1-5 5H45a5 5 0 0 1-5-5V51l-12 5-8-24z", "#b6a7d6"),
      line("M42 20c6 10 30 10 36 0"),
      line("M48 92h24")
    ],
    face: [60, 58]
  },
  플리: {
    latin: "Plea",
    hue: "#fbe6cc",
    body: [
      box(48, 10, 20, 14, "#d9822b", 3),
      path("M44 24h30c9 0 15 7 15 16v56a8 8 0 0 1-8 8H39a8 8 0 0 1-8-8V44c0-12 6-20 13-20z", "#f6b968"),
      path("M75 36c7 0 7 16 2 16s-7-16-2-16z", "#fbe6cc"),
      box(38, 80, 44, 14, "#fff3de", 4)
    ],
    face: [56, 61]
  },
  일렉: {
    latin: "Elec",
    hue: "#dde3f4",
    body: [
      box(44, 10, 7, 24, "#8d99b8", 2),
      box(69, 10, 7, 24, "#8d99b8", 2),
      path("M32 32h56v34c0 15-10 24-28 24S32 81 32 66z", "#7d93d6"),
      box(51, 88, 18, 10, "#5c70b0", 3),
      line("M60 98v6c0 8 18 2 24 6", 5)
    ],
    face: [60, 56]
  },
  배리: {
    latin: "Battery",
    hue: "#e3efc9",
    body: [
      box(50, 10, 20, 12, "#5b6b3b", 3),
      box(34, 20, 52, 84, "#a9cf5c", 9),
      path("M34 29a9 9 0 0 1 9-9h34a9 9 0 0 1 9 9v9H34z", "#5b6b3b"),
      path("M64 78l-12 14h9l-3 10 12-14h-9z", "#fff6c9")
    ],
    face: [60, 57]
  },
  라이티: {
    latin: "Lighty",
    hue: "#fdf0c2",
    body: [
      path("M60 12c20 0 34 14 34 32 0 16-12 22-14 36H40c-2-14-14-20-14-36 0-18 14-32 34-32z", "#ffdc63"),
      box(42, 80, 36, 10, "#b9c0bb", 3),
      box(45, 90, 30, 9, "#98a19b", 3),
      path("M50 99h20l-4 7H54z", "#6d7871"),
      line("M38 34c3-6 8-10 14-11", 3)
    ],
    face: [60, 50]
  },
  폼이: {
    latin: "Foamy",
    hue: "#dfeef0",
    body: [
      path("M26 44l14-16h54l-10 16z", "#eef8f9"),
      path("M84 44l10-16v56l-10 18z", "#bcd8dc"),
      box(24, 44, 60, 58, "#ffffff", 5),
      ...[
        [34, 54],
        [74, 56],
        [33, 90],
        [72, 92],
        [52, 95]
      ].map(([cx = 0, cy = 0]) => /** @type {Shape} */ (["circle", { cx, cy, r: 2, fill: "#bcd8dc", stroke: "none" }]))
    ],
    face: [54, 69]
  },
  이코: {
    latin: "Eco",
    hue: "#d8ecd2",
    body: [
      path("M60 44c-2-18-14-26-30-26 0 18 12 28 30 26z", "#6fb36b"),
      path("M60 44c0-20 12-32 32-32 0 20-12 34-32 32z", "#8fcb7f"),
      line("M60 60V40"),
      ["circle", { cx: 60, cy: 74, r: 32, fill: "#f4efdc" }]
    ],
    face: [60, 74]
  }
}

/** @param {readonly [number, number]} at @returns {ReadonlyArray<Shape>} */
const faceAt = ([x, y]) => [
  ["ellipse", { cx: x - 11, cy: y, rx: 3, ry: 4, fill: INK, stroke: "none" }],
  ["ellipse", { cx: x + 11, cy: y, rx: 3, ry: 4, fill: INK, stroke: "none" }],
  ["circle", { cx: x - 10, cy: y - 1.5, r: 1.1, fill: "#ffffff", stroke: "none" }],
  ["circle", { cx: x + 12, cy: y - 1.5, r: 1.1, fill: "#ffffff", stroke: "none" }],
  ["ellipse", { cx: x - 16.5, cy: y + 7, rx: 3.4, ry: 2.4, fill: "#ef9a86", stroke: "none", opacity: 0.75 }],
  ["ellipse", { cx: x + 16.5, cy: y + 7, rx: 3.4, ry: 2.4, fill: "#ef9a86", stroke: "none", opacity: 0.75 }],
  line(`M${x - 5} ${y + 5}c2 5 8 5 10 0`)
]

/** @param {string} tag @param {Readonly<Record<string, string | number>>} attributes */
const shape = (tag, attributes) => {
  const node = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value))
  return node
}

/** @param {Drawing} drawing @param {string} label */
const draw = ({ body, face, hue }, label) => {
  const svg = shape("svg", { viewBox: "0 0 120 120", role: "img", "aria-label": label })
  svg.append(shape("circle", { cx: 60, cy: 60, r: 60, fill: hue }))
  const group = shape("g", {
    stroke: INK,
    "stroke-width": 2.5,
    "stroke-linejoin": "round",
    "stroke-linecap": "round",
    // the shapes fill their square; the round backdrop needs a margin
    transform: "translate(60 60) scale(.9) translate(-60 -60)"
  })
  for (const [tag, attributes] of [...body, ...faceAt(face)]) group.append(shape(tag, attributes))
  svg.append(group)
  return svg
}

/** @param {string} name */
const drawingOf = (name) => {
  const known = name.normalize("NFC").trim()
  return Object.hasOwn(DRAWINGS, known) ? DRAWINGS[known] : undefined
}

/** The drawing of a character. @param {string} name @param {string} label */
export const portrait = (name, label) => {
  const drawing = drawingOf(name) ?? DRAWINGS["이코"]
  return drawing === undefined ? null : draw(drawing, label)
}

/**
 * The card of a character earned; whether it is new is said where it is known. @param {import("./api.js").Reward} reward
 */
export const characterCard = (reward) => {
  const known = drawingOf(reward.name)
  const latin = language() === "en" ? known?.latin : undefined
  return element("aside", { class: "character", "data-testid": "character", "aria-labelledby": "character-heading" }, [
    portrait(reward.name, t("result.characterAlt", { name: reward.name })),
    element("div", {}, [
      element("p", { class: "eyebrow" }, [
        t(
          reward.received === undefined
            ? "result.character"
            : reward.received
              ? "result.characterNew"
              : "result.characterAgain"
        )
      ]),
      element("h2", { id: "character-heading" }, [
        reward.name,
        latin !== undefined && element("small", {}, [` ${latin}`])
      ]),
      reward.dialog ? element("p", { class: "dialog" }, [reward.dialog]) : null,
      reward.match_reason ? element("p", { class: "reason" }, [reward.match_reason.split(">").join(" › ")]) : null
    ])
  ])
}
