/**
 * CauseName: a cause is written in two ways: the error's tag in letters and lists (`ModelTimeout`), and its code, which clients are
 * told (`MODEL_TIMEOUT`). They mean the same, so a filter by cause takes both. Pure.
 */
const plain = (cause: string): string => cause.replaceAll(/[^A-Za-z0-9]/g, "").toLowerCase()

/** Whether both name one cause. */
export const isSame = (one: string, other: string): boolean => one === other || plain(one) === plain(other)
