/**
 * Which requests are sent again, when, and how often.
 *
 * **Details**
 *
 * Sent again is what failed by the outcome that the breaker counts: what says nothing against a dependency is no reason to
 * ask it again. A body that breaks off comes too late for that, since its response has been handed over.
 *
 * Every retry has to have leave of a budget for its circuit's key, see `RetryBudget` of `@reclose/core`: with the defaults,
 * an outage adds a fifth to a dependency's load.
 *
 * @since 0.1.0
 */
import type * as BudgetPolicy from "@reclose/core/BudgetPolicy"
import type * as Duration from "effect/Duration"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"

/**
 * Which requests are sent again, when, and how often.
 *
 * @category models
 * @since 0.1.0
 */
export interface RetryPolicy {
  /** How often a request is sent again at most, 0 to 10. Default 2. */
  readonly times?: number | undefined
  /** How long to wait before the first retry, 1 millisecond to 1 minute. Default 100 milliseconds. */
  readonly delay?: Duration.Input | undefined
  /** By what the wait grows with each further retry, 1 to 10. Default 2. */
  readonly factor?: number | undefined
  /** The longest wait that grows from `delay`, 1 millisecond to 1 hour. Default 5 seconds. */
  readonly maxDelay?: Duration.Input | undefined
  /** By what share a wait may be shorter, 0 to 1, drawn anew for each. Default 0.5. */
  readonly jitter?: number | undefined
  /**
   * The longest `Retry-After` that is waited for, 0 to 1 hour. A response that asks for more is not retried. Default 10
   * seconds.
   */
  readonly maxRetryAfter?: Duration.Input | undefined
  /**
   * How long a request that its circuit rejected may wait for the circuit, once, 0 to 1 hour. Default: it fails at once.
   */
  readonly waitForCircuit?: Duration.Input | undefined
  /**
   * Whether each attempt is a call of its own for the circuit (`"outside"` the breaker), or all of them are one
   * (`"inside"`). Inside, an open circuit sees less of a dependency that answers at the second attempt only. Default
   * `"outside"`.
   */
  readonly place?: "outside" | "inside" | undefined
  /**
   * Whether requests are sent again that may then be carried out twice: a POST or PATCH without an `Idempotency-Key`.
   * Default false.
   */
  readonly unsafe?: boolean | undefined
  /**
   * The budget of these retries. Default: that of the `RetryBudget` service if the program provides one, else one of the
   * client's own, with its defaults.
   */
  readonly budget?: BudgetPolicy.BudgetPolicy | undefined
}

const idempotent = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"])

/**
 * Whether a request may be sent again: its method is idempotent or it has an `Idempotency-Key`, and its body, if any, is
 * still there. A body that is a stream can be read once.
 *
 * **Example** (What may be sent again)
 *
 * ```ts
 * import { HttpRetry } from "@reclose/http"
 * import { HttpClientRequest } from "effect/http"
 *
 * const order = HttpClientRequest.post("https://shop.example/orders")
 *
 * HttpRetry.isRepeatable(HttpClientRequest.get("https://shop.example/orders")) // => true
 * HttpRetry.isRepeatable(order) // => false
 * HttpRetry.isRepeatable(order.pipe(HttpClientRequest.setHeader("Idempotency-Key", "7f9c"))) // => true
 * HttpRetry.isRepeatable(order, { unsafe: true }) // => true
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isRepeatable = (
  request: HttpClientRequest,
  options?: { readonly unsafe?: boolean | undefined }
): boolean =>
  hasRepeatableBody(request) &&
  (idempotent.has(request.method) || request.headers["idempotency-key"] !== undefined || options?.unsafe === true)

const hasRepeatableBody = ({ body }: HttpClientRequest): boolean => {
  if (body._tag === "Stream") return false
  if (body._tag !== "Raw") return true
  const raw = body.body
  return typeof raw === "string" || raw instanceof ArrayBuffer || ArrayBuffer.isView(raw) || raw instanceof Blob ||
    raw instanceof URLSearchParams || raw instanceof FormData
}
