/** The types of ProcessLock.mjs, which has the documentation. */
export type Taken =
  | { readonly taken: true; readonly release: () => void }
  | { readonly taken: false; readonly pid: number }
export function take(path: string): Taken
export function startOf(pid: number): string | undefined
export function pause(millis: number): void
