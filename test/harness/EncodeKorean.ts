/**
 * EncodeKorean: encodes text as CP949, that is EUC-KR with the syllables that it lacks, which the platform can only decode, and
 * Node not whole. The missing syllables stand in Unicode's order in the places that EUC-KR leaves free.
 */

let table: ReadonlyMap<string, number> | undefined

/** The trail bytes of the places beside EUC-KR's; behind a lead byte of EUC-KR those below 0xa1 alone. */
const trails = Array.from({ length: 0xff }, (_, byte) => byte).filter(
  (byte) => (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || byte >= 0x81
)

const make = (): ReadonlyMap<string, number> => {
  const decoder = new TextDecoder("euc-kr")
  const codes = new Map<string, number>()
  for (let high = 0xa1; high <= 0xfe; high++) {
    for (let low = 0xa1; low <= 0xfe; low++) {
      const text = decoder.decode(Uint8Array.of(high, low))
      if (text.length === 1 && text !== "\ufffd") codes.set(text, (high << 8) | low)
    }
  }
  const places: Array<number> = []
  for (let high = 0x81; high <= 0xc6; high++) {
    for (const low of trails) if (high <= 0xa0 || low < 0xa1) places.push((high << 8) | low)
  }
  let next = 0
  for (let syllable = 0xac00; syllable <= 0xd7a3; syllable++) {
    const text = String.fromCharCode(syllable)
    if (!codes.has(text)) codes.set(text, places[next++] ?? 0)
  }
  return codes
}

/** A character without a code becomes `?`. */
export const encodeKorean = (text: string): Buffer => {
  table ??= make()
  const bytes: Array<number> = []
  for (const character of text) {
    const ascii = character.charCodeAt(0)
    const code = ascii < 0x80 ? ascii : (table.get(character) ?? 0x3f)
    if (code > 0xff) bytes.push(code >> 8, code & 0xff)
    else bytes.push(code)
  }
  return Buffer.from(bytes)
}
