/** EntryId: the order of a stream's entry ids, `<unix milliseconds>-<sequence>`, as Redis compares them: by number, not as text. */
export const isBefore = (a: string, b: string): boolean => {
  const [aMillis = "0", aSequence = "0"] = a.split("-")
  const [bMillis = "0", bSequence = "0"] = b.split("-")
  return Number(aMillis) < Number(bMillis) || (aMillis === bMillis && Number(aSequence) < Number(bSequence))
}
