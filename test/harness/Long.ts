/**
 * Long: whether tests run in their long form. `npm test` runs the short form, `npm run test:long` (which sets TEST_LONG=1) the
 * long form of the same file, with the same claim: more cases, a whole day instead of some hours.
 */
export const isLong = process.env.TEST_LONG === "1"

/** A test's size: of the long form in a long run, else of the short one; the environment variable `setting` overrides both. */
export const size = (setting: string, forms: { readonly short: number; readonly long: number }): number =>
  Number(process.env[setting] ?? (isLong ? forms.long : forms.short))
