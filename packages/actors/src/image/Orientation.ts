/**
 * Orientation: how a picture is to be turned before it is shown, 1 (upright) to 8, as Exif has it. It is the one fact of Exif
 * that belongs to the picture: without it a model sees a photo lying on its side. Read from Exif's TIFF part, and written as a
 * TIFF part that has nothing else. A JPEG, a PNG and a WebP wrap the same part in three ways (JpegMetadata, PngMetadata,
 * WebPMetadata).
 * Sources: TIFF 6.0, section 2; Exif 2.3, 4.6.4.
 */

/** The tag, in the first directory. */
const orientationTag = 0x0112
const [short, long] = [3, 4]

/** The orientation in a TIFF part; 1 if there is none, or none that means anything. Never throws; linear in the directory. */
export const read = (tiff: Uint8Array): number => {
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength)
  if (tiff.length < 8) return 1
  const order = view.getUint16(0)
  if (order !== 0x4949 && order !== 0x4d4d) return 1
  const little = order === 0x4949
  const directory = view.getUint32(4, little)
  if (view.getUint16(2, little) !== 42 || directory + 2 > tiff.length) return 1
  const end = Math.min(tiff.length, directory + 2 + view.getUint16(directory, little) * 12)
  for (let entry = directory + 2; entry + 12 <= end; entry += 12) {
    if (view.getUint16(entry, little) !== orientationTag) continue
    const type = view.getUint16(entry + 2, little)
    const value =
      type === short ? view.getUint16(entry + 8, little) : type === long ? view.getUint32(entry + 8, little) : 1
    return value >= 1 && value <= 8 ? value : 1
  }
  return 1
}

/** A TIFF part of 26 bytes with the orientation alone. */
export const tiff = (orientation: number): Uint8Array =>
  Uint8Array.of(
    ...[0x4d, 0x4d, 0, 42, 0, 0, 0, 8], // big-endian; the directory begins at 8
    ...[0, 1], // one entry
    ...[orientationTag >> 8, orientationTag & 0xff, 0, short, 0, 0, 0, 1, 0, orientation, 0, 0],
    ...[0, 0, 0, 0] // no other directory
  )

const prefixBytes = 6

/** The TIFF part of an Exif block, which some formats and writers begin with `Exif` and two bytes. */
export const tiffIn = (exif: Uint8Array): Uint8Array =>
  Buffer.from(exif.subarray(0, 5)).toString("latin1") === "Exif\0" ? exif.subarray(prefixBytes) : exif
