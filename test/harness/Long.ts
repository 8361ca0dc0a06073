/**
 * Long: whether a test plays its long form. `npm test` plays the short one, `npm run test:long` (which sets TEST_LONG=1) the
 * long one of the same file, under the same claim: more cases, a whole day instead of some hours.
 */
export const isLong = process.env.TEST_LONG === "1"

/** A test's size: the long form's in a long run, else the short one's; `setting` overrides both, by hand. */
export const size = (setting: string, forms: { readonly short: number; readonly long: number }): number =>
  Number(process.env[setting] ?? (isLong ? forms.long : forms.short))
