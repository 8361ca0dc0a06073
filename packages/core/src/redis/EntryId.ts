/** EntryId: the order of stream entry ids, `<unix milliseconds>-<sequence>`: compared as numbers, as Redis does, not as text. */
export const isBefore = (a: string, b: string): boolean => {
  const [aMillis = "0", aSequence = "0"] = a.split("-")
  const [bMillis = "0", bSequence = "0"] = b.split("-")
  return Number(aMillis) < Number(bMillis) || (aMillis === bMillis && Number(aSequence) < Number(bSequence))
}
