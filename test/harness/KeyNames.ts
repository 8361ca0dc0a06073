/** KeyNames: the names of keys under the default KEY_PREFIX, which the processes of most tests have. */
import { Keys } from "@eco2/core/redis"

export const keyNames = new Keys.Names(Keys.defaultPrefix)
