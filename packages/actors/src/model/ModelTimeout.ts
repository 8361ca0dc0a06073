/** ModelTimeout: the setting of how long a model call may take; ModelTime compares it with the stages that make the calls. */
import { Setting } from "@eco2/core/client"

/**
 * MODEL_TIMEOUT: the longest one model call may take, at most 5 minutes (Node's own limit for a silent connection). Default
 * "60 seconds".
 */
export const modelTimeout = Setting.duration("MODEL_TIMEOUT", { default: "60 seconds", max: "5 minutes" })
