/**
 * Whether a breaker forgets a circuit at the instant at which it has been idle for `idleTimeToLive`. By default idle circuits
 * are evicted a few at a time when new keys come, since looking at the time with every call would cost each of them.
 */
import * as Context from "effect/Context"

export const ExpiresIdle = Context.Reference<boolean>("@reclose/core/ExpiresIdle", { defaultValue: () => false })
