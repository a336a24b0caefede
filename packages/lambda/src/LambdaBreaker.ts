/**
 * Circuit breakers for processes that are frozen between invocations.
 *
 * @since 0.1.0
 */
import { type Breaker, CircuitBreaker } from "@reclose/core/CircuitBreaker"
import type { CircuitStore } from "@reclose/core/CircuitStore"
import type { Policy } from "@reclose/core/Policy"
import type { PolicyError } from "@reclose/core/PolicyError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { BeforeResponse } from "./BeforeResponse.ts"

/**
 * The breaker of a Lambda function: the one that `withBreaker` calls through, known to be fit for being frozen.
 *
 * **Details**
 *
 * It does three things that a `CircuitBreaker` of its own would leave to you:
 *
 * - It works beside the calls and never between them: `background` of the policy is false, whatever it says.
 * - It tells the store what waits to be told before each response, within `storeTimeout` of the policy.
 * - It waits a second for the store on the first call of a key, where the policy doesn't say how long (`hydrateTimeout`),
 *   and not 100 milliseconds. The first request of a container has the store's client loaded and connected, with the share
 *   of a processor that the function has.
 *
 * `LambdaHandler.make` takes no layer that provides a `CircuitBreaker` without it.
 *
 * @category services
 * @since 0.1.0
 */
export class LambdaBreaker extends Context.Service<LambdaBreaker, Breaker>()("@reclose/lambda/LambdaBreaker") {
  /**
   * Makes a breaker that lives as long as the scope, for functions that hold several; most want `layer`.
   *
   * @since 0.1.0
   */
  static readonly make: (
    policy?: Policy
  ) => Effect.Effect<Breaker, PolicyError, CircuitStore | BeforeResponse | Scope.Scope> = Effect.fnUntraced(
    function*(policy: Policy = {}) {
      const { add } = yield* BeforeResponse
      const breaker = yield* CircuitBreaker.make(inContainer(policy))
      yield* add({ name: "tell the store of the circuits", run: breaker.flush })
      const update: Breaker["update"] = (policy) => breaker.update(inContainer(policy))
      return { ...breaker, update }
    }
  )

  /**
   * Provides the breaker, as `CircuitBreaker` and as `LambdaBreaker`.
   *
   * **Details**
   *
   * Fails with a `PolicyError` that names every mistake of the policy. Needs a `CircuitStore`, and `BeforeResponse`, which
   * `LambdaHandler.make` brings.
   *
   * **Example** (The layer of a function)
   *
   * ```ts no-run
   * import { TripRule, withBreaker } from "@reclose/core"
   * import { DynamoClient, DynamoStore } from "@reclose/dynamodb"
   * import { LambdaBreaker, LambdaHandler } from "@reclose/lambda"
   * import { Effect, Layer } from "effect"
   *
   * const Breakers = LambdaBreaker.layer({ tripRule: TripRule.consecutive(5) }).pipe(
   *   Layer.provide(DynamoStore.layer({ tableName: "circuits" })),
   *   Layer.provide(DynamoClient.layer({}))
   * )
   *
   * export const handler = LambdaHandler.make(
   *   Breakers,
   *   (event: { readonly symbol: string }) => Effect.succeed(`${event.symbol}: 42`).pipe(withBreaker("quotes"))
   * )
   * ```
   *
   * @since 0.1.0
   */
  static readonly layer = (
    policy?: Policy
  ): Layer.Layer<CircuitBreaker | LambdaBreaker, PolicyError, CircuitStore | BeforeResponse> =>
    Layer.effectContext(
      Effect.map(LambdaBreaker.make(policy), (breaker) =>
        Context.make(CircuitBreaker, breaker).pipe(Context.add(LambdaBreaker, breaker)))
    )
}

/** What a policy says in a container. */
const inContainer = (policy: Policy): Policy => ({
  ...policy,
  hydrateTimeout: policy.hydrateTimeout ?? "1 second",
  background: false
})
