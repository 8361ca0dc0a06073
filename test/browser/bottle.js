/**
 * Bottle: draws an empty clear bottle on a table, the photo of most tests; runs in a page. `seed` moves the light a little, so
 * that each seed makes another file. Loaded by Visitor.ts.
 */

/** @param {number} seed @param {{ readonly width?: number, readonly height?: number }} [size] */
const drawBottle = (seed, { height = 1000, width = 800 } = {}) => {
  const canvas = document.createElement("canvas")
  canvas.width = width
  canvas.height = height
  const draw = canvas.getContext("2d")
  draw.scale(width / 800, height / 1000)

  const wall = draw.createLinearGradient(0, 0, 800, 700)
  wall.addColorStop(0, "#e9efe6")
  wall.addColorStop(1, "#b9cbbd")
  draw.fillStyle = wall
  draw.fillRect(0, 0, 800, 1000)
  const table = draw.createLinearGradient(0, 720, 0, 1000)
  table.addColorStop(0, "#b98f63")
  table.addColorStop(1, "#8d673f")
  draw.fillStyle = table
  draw.fillRect(0, 720, 800, 280)
  draw.filter = "blur(14px)"
  draw.fillStyle = "rgb(40 28 14 / 45%)"
  draw.beginPath()
  draw.ellipse(450, 872, 190, 30, 0, 0, 7)
  draw.fill()
  draw.filter = "none"

  const bottle = new Path2D(
    "M362 190h76v44c0 34 82 74 82 150v72c0 22-14 28-14 50s14 28 14 50v250c0 44-24 74-62 74H342c-38 0-62-30-62-74V556c0-22 14-28 14-50s-14-28-14-50v-72c0-76 82-116 82-150z"
  )
  const glass = draw.createLinearGradient(280, 0, 520, 0)
  glass.addColorStop(0, "rgb(255 255 255 / 62%)")
  glass.addColorStop(0.2, "rgb(214 236 240 / 34%)")
  glass.addColorStop(0.75, "rgb(190 222 230 / 42%)")
  glass.addColorStop(1, "rgb(120 164 178 / 62%)")
  draw.fillStyle = glass
  draw.fill(bottle)
  draw.strokeStyle = "rgb(74 112 124 / 70%)"
  draw.lineWidth = 4
  draw.stroke(bottle)

  draw.save()
  draw.clip(bottle)
  draw.fillStyle = "#2f8f6b"
  draw.fillRect(270, 560, 260, 150)
  draw.fillStyle = "rgb(255 255 255 / 22%)"
  draw.fillRect(270, 560, 46, 150)
  draw.fillStyle = "#f5fbf2"
  draw.font = "700 52px sans-serif"
  draw.textAlign = "center"
  draw.fillText("WATER", 400, 653)
  draw.strokeStyle = "rgb(255 255 255 / 75%)"
  draw.lineWidth = 14
  draw.lineCap = "round"
  draw.beginPath()
  draw.moveTo(318, 404 + (seed % 40))
  draw.lineTo(318, 526)
  draw.moveTo(318, 740)
  draw.lineTo(318, 812 - (seed % 23))
  draw.stroke()
  draw.strokeStyle = "rgb(74 112 124 / 34%)"
  draw.lineWidth = 5
  for (const y of [770, 800, 830]) {
    draw.beginPath()
    draw.ellipse(400, y, 116, 12, 0, 0.2, 2.94)
    draw.stroke()
  }
  draw.restore()

  draw.fillStyle = "#f4f6f4"
  draw.fillRect(350, 130, 100, 62)
  draw.fillStyle = "rgb(60 84 78 / 26%)"
  for (let x = 358; x < 450; x += 13) draw.fillRect(x, 134, 4, 54)
  return canvas.toDataURL("image/jpeg", 0.86)
}

/** A picture that no encoder can compress: `side` × `side` random pixels, as PNG. @param {number} side */
const drawNoise = (side) => {
  const canvas = document.createElement("canvas")
  canvas.width = side
  canvas.height = side
  const draw = canvas.getContext("2d")
  const pixels = draw.createImageData(side, side)
  let state = 1
  for (let at = 0; at < pixels.data.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    pixels.data[at] = at % 4 === 3 ? 255 : state >>> 24
  }
  draw.putImageData(pixels, 0, 0)
  return canvas.toDataURL("image/png")
}

/**
 * A JPEG as a camera makes it, hard to compress: the left half red, the right half blue.
 * @param {number} width @param {number} height
 */
const drawHalves = (width, height) => {
  const canvas = document.createElement("canvas")
  canvas.width = width
  canvas.height = height
  const draw = canvas.getContext("2d")
  const pixels = draw.createImageData(width, height)
  let state = 1
  for (let at = 0; at < pixels.data.length; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const [strong, weak] = [160 + (state >>> 26), state >>> 26]
    const isLeft = (at / 4) % width < width / 2
    pixels.data.set([isLeft ? strong : weak, weak, isLeft ? weak : strong, 255], at)
  }
  draw.putImageData(pixels, 0, 0)
  return canvas.toDataURL("image/jpeg", 0.95)
}

/**
 * What a browser shows of a picture: its size, its first and its last pixel (red, green, blue, alpha), and a hash of all.
 * @param {string} url
 */
const shown = async (url) => {
  const image = new Image()
  image.src = url
  await image.decode()
  const canvas = document.createElement("canvas")
  canvas.width = image.naturalWidth
  canvas.height = image.naturalHeight
  const draw = canvas.getContext("2d")
  draw.drawImage(image, 0, 0)
  const { data, height, width } = draw.getImageData(0, 0, canvas.width, canvas.height)
  let hash = 0
  for (const value of data) hash = (Math.imul(hash, 31) + value) | 0
  return { width, height, first: [...data.slice(0, 4)], last: [...data.slice(-4)], hash }
}

/** A WebP, two pixels beside each other, lossless. */
const drawWebp = () => {
  const canvas = document.createElement("canvas")
  canvas.width = 2
  canvas.height = 1
  const draw = canvas.getContext("2d")
  draw.fillStyle = "#dc1e1e"
  draw.fillRect(0, 0, 1, 1)
  return canvas.toDataURL("image/webp", 1)
}

Object.assign(globalThis, { drawBottle, drawHalves, drawNoise, drawWebp, shown })
