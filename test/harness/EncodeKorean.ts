/** EncodeKorean: encodes text as EUC-KR, which the platform can only decode. */

let table: ReadonlyMap<string, number> | undefined

const make = (): ReadonlyMap<string, number> => {
  const decoder = new TextDecoder("euc-kr")
  const codes = new Map<string, number>()
  for (let high = 0xa1; high <= 0xfe; high++) {
    for (let low = 0xa1; low <= 0xfe; low++) {
      const text = decoder.decode(Uint8Array.of(high, low))
      if (text.length === 1 && text !== "\ufffd") codes.set(text, (high << 8) | low)
    }
  }
  return codes
}

/** A character without a code in EUC-KR becomes `?`. */
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
