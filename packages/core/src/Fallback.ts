/**
 * Degraded answers in a typed chain: the last good one, another effect's, a fixed one. The caller can tell each from a
 * fresh one.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Stream from "effect/Stream"
import { CircuitOpen } from "./CircuitOpen.ts"
import type { FallbackEvent } from "./FallbackEvent.ts"
import { failuresOf, keepFailure } from "./internal/Failures.ts"
import { FallbackBus, publish } from "./internal/FallbackBus.ts"
import type { LastGood } from "./LastGood.ts"
import { readDuration } from "./PolicyError.ts"

/**
 * What a call with a fallback answers: its own value, or what stands in for it.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer<A, E> = Fresh<A> | Degraded<A, E>

/**
 * The call's own value.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fresh<out A> {
  readonly _tag: "Fresh"
  readonly value: A
}

/**
 * What stands in for the value of a call that failed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Degraded<out A, out E> {
  readonly _tag: "Degraded"
  readonly value: A
  /** The step that it comes from: `LastGood`, `Effect`, `Static`, or the name that the step was given. */
  readonly source: string
  /** How old the value is, for a step that knows. */
  readonly age: Duration.Duration | undefined
  /** Why there is no fresh value. */
  readonly error: E
}

/**
 * One way to answer in a call's stead.
 *
 * **Details**
 *
 * `In` is what it remembers of good answers, `A` what it answers, `R` what it needs. A step that always answers is total
 * and stands last in its chain: what comes after it could never be asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step<in In, out A, out R, out Total extends boolean> {
  readonly source: string
  /** Never there: only TypeScript asks for it. */
  readonly total?: Total
  /** Told of each fresh answer. */
  readonly remember: ((value: In) => Effect.Effect<void>) | undefined
  /** Its answer, or undefined to pass the question on. */
  readonly answer: Effect.Effect<{ readonly value: A; readonly age?: Duration.Duration } | undefined, never, R>
}

/**
 * The steps of a chain, in the order in which they are asked. Only the last one may be total.
 *
 * @category models
 * @since 0.1.0
 */
export type Steps = readonly [
  ...ReadonlyArray<Step<never, unknown, unknown, false>>,
  Step<never, unknown, unknown, boolean>
]

/** What all steps together can remember. */
type Good<S extends Steps> = S[number] extends Step<infer In, unknown, unknown, boolean> ? In : never

/** What any of the steps may answer. */
type Value<S extends Steps> = S[number] extends Step<never, infer A, unknown, boolean> ? A : never

/** What the steps need. */
type Needs<S extends Steps> = S[number] extends Step<never, unknown, infer R, boolean> ? R : never

/** The errors that are left when the steps have answered those that are handled. */
type Left<E, Handled, S extends Steps> = S extends
  readonly [...ReadonlyArray<unknown>, Step<never, unknown, unknown, true>] ? Exclude<E, Handled>
  : E

/** What a step is called. */
interface Named {
  /** What degraded answers of this step name as their source. */
  readonly source?: string | undefined
}

/**
 * A fixed value. It always answers, so it stands last. Its source is `Static`.
 *
 * **Example** (Nothing left to fail with)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore, Fallback, withBreaker } from "@reclose/core"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   yield* CircuitBreaker.use((breaker) => breaker.forceOpen("quotes"))
 *   const answer = yield* Effect.succeed(42).pipe(withBreaker("quotes"), Fallback.chain([Fallback.value(0)]))
 *   return `${answer._tag}: ${answer.value}`
 * })
 *
 * const Breakers = CircuitBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory))
 *
 * await Effect.runPromise(Effect.provide(program, Breakers)) // => "Degraded: 0"
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const value = <A>(value: A, options?: Named): Step<unknown, A, never, true> => ({
  source: options?.source ?? "Static",
  remember: undefined,
  answer: Effect.succeed({ value })
})

/**
 * Another effect, such as a mirror. One that can't fail always answers, so it stands last. Its source is `Effect`.
 *
 * **Details**
 *
 * If it fails, the next step is asked, and `events` tells. A defect of it is a defect of the call.
 *
 * @category steps
 * @since 0.1.0
 */
export const effect = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options?: Named
): Step<unknown, A, R, [E] extends [never] ? true : false> => {
  const source = options?.source ?? "Effect"
  return {
    source,
    remember: undefined,
    answer: Effect.catchCause(Effect.map(effect, (value) => ({ value })), (cause) =>
      failuresOf(cause).length > 0
        ? Effect.as(publish({ _tag: "StepFailed", source, cause }), undefined)
        : Effect.failCause(Cause.fromReasons(cause.reasons.filter((reason) => !Cause.isFailReason(reason)))))
  }
}

/**
 * The last good answer of a key. Its source is `LastGood`, and its answers have an age.
 *
 * **Details**
 *
 * It remembers each fresh answer of the call that its chain follows, and answers with the latest one, as long as that is
 * at most `maxAge` old. There is no default for `maxAge`: how old a value may be and still do is for its user to say.
 *
 * **Example** (Stale while the circuit is open)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore, Fallback, LastGood, withBreaker } from "@reclose/core"
 * import { Duration, Effect, Layer } from "effect"
 * import { TestClock } from "effect/testing"
 *
 * const program = Effect.gen(function*() {
 *   const quotes = yield* LastGood.memory<number>()
 *   const quote = Effect.succeed(42).pipe(
 *     withBreaker("quotes"),
 *     Fallback.chain([Fallback.lastGood(quotes, { key: "ACME", maxAge: "10 minutes" })])
 *   )
 *   yield* quote
 *   yield* CircuitBreaker.use((breaker) => breaker.forceOpen("quotes"))
 *   yield* TestClock.adjust("5 minutes")
 *   const answer = yield* quote
 *   return answer._tag === "Degraded" && answer.age && `${answer.value}, ${Duration.format(answer.age)} old`
 * })
 *
 * const Breakers = CircuitBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory))
 *
 * await Effect.runPromise(Effect.provide(program, Layer.provideMerge(Breakers, TestClock.layer()))) // => "42, 5m old"
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const lastGood = <A>(lastGood: LastGood<A>, options: LastGoodOptions<A>): Step<A, A, never, false> => {
  const maxAge = readDuration("maxAge", options.maxAge)
  return {
    source: options.source ?? "LastGood",
    remember: (value) =>
      options.isGood === undefined || options.isGood(value) === true
        ? lastGood.remember(options.key, value)
        : Effect.void,
    answer: Effect.map(
      lastGood.recall(options.key),
      (last) => last !== undefined && Duration.isLessThanOrEqualTo(last.age, maxAge) ? last : undefined
    )
  }
}

/**
 * How the last good answer is remembered and served.
 *
 * @category models
 * @since 0.1.0
 */
export interface LastGoodOptions<in A> extends Named {
  /** What the answer is remembered under. All that makes a difference to the answer has to be in it. */
  readonly key: string
  /** How old an answer may be when it is served. */
  readonly maxAge: Duration.Input
  /**
   * Which fresh answers are worth remembering. Default: all. If it throws, the answer is not remembered, the caller gets
   * it all the same, and the event `StepFailed` names the cause.
   */
  readonly isGood?: ((value: A) => boolean) | undefined
}

/**
 * The pipeable and data-first forms of following a call by a chain of steps.
 *
 * @category models
 * @since 0.1.0
 */
export interface Chain {
  <const S extends Steps>(
    steps: S
  ): <A extends Good<S>, E, R>(
    call: Effect.Effect<A, E, R>
  ) => Effect.Effect<Answer<A | Value<S>, CircuitOpen>, Left<E, CircuitOpen, S>, R | Needs<S>>
  // The call's own types pass through: what says which errors are answered may know more of them than the call has.
  <const S extends Steps, E, Handled extends E>(
    steps: S,
    options: { readonly when: (error: E) => error is Handled }
  ): <A extends Good<S>, E1 extends E, R>(
    call: Effect.Effect<A, E1, R>
  ) => Effect.Effect<Answer<A | Value<S>, Handled>, Left<E1, Handled, S>, R | Needs<S>>
  <const S extends Steps, E>(
    steps: S,
    options: { readonly when: (error: E) => boolean }
  ): <A extends Good<S>, E1 extends E, R>(
    call: Effect.Effect<A, E1, R>
  ) => Effect.Effect<Answer<A | Value<S>, E1>, E1, R | Needs<S>>
  <A extends Good<S>, E, R, const S extends Steps>(
    call: Effect.Effect<A, E, R>,
    steps: S
  ): Effect.Effect<Answer<A | Value<S>, CircuitOpen>, Left<E, CircuitOpen, S>, R | Needs<S>>
  <A extends Good<S>, E, R, const S extends Steps, Handled extends E>(
    call: Effect.Effect<A, E, R>,
    steps: S,
    options: { readonly when: (error: E) => error is Handled }
  ): Effect.Effect<Answer<A | Value<S>, Handled>, Left<E, Handled, S>, R | Needs<S>>
  <A extends Good<S>, E, R, const S extends Steps>(
    call: Effect.Effect<A, E, R>,
    steps: S,
    options: { readonly when: (error: E) => boolean }
  ): Effect.Effect<Answer<A | Value<S>, E>, E, R | Needs<S>>
}

const isCircuitOpen = (error: unknown): boolean => error instanceof CircuitOpen

const follow = (
  call: Effect.Effect<unknown, unknown, unknown>,
  steps: Steps,
  { when }: { readonly when: (error: never) => boolean } = { when: isCircuitOpen }
): Effect.Effect<Answer<unknown, unknown>, unknown, unknown> =>
  Effect.matchCauseEffect(call, {
    onSuccess: (value) =>
      steps.reduce<Effect.Effect<Answer<unknown, never>>>(
        (answer, step) => step.remember === undefined ? answer : Effect.andThen(remember(step, value), answer),
        Effect.succeed({ _tag: "Fresh", value })
      ),
    onFailure: (cause) => {
      const handled = Effect.sync(() => {
        const failures = failuresOf(cause)
        // The types of `Chain` see to it that the errors of the call are what `when` asks for.
        return failures.every(({ error }) => when(error as never) === true) ? failures[0] : undefined
      })
      return Effect.flatMap(keepFailure(handled, cause), (failed) =>
        failed === undefined ? Effect.failCause(cause) : Effect.flatMap(
          ask(steps, failed.error),
          (degraded) =>
            degraded === undefined ? Effect.failCause(cause) : Effect.succeed(degraded)
        ))
    }
  })

/** Gives a step the fresh answer. A step that dies of it costs the caller nothing, and an event says why. */
const remember = ({ remember, source }: Steps[number], value: unknown): Effect.Effect<unknown> =>
  Effect.catchCauseIf(
    // What each step takes is what the call gives; the types of `Chain` see to it.
    Effect.suspend(() => remember?.(value as never) ?? Effect.void),
    (cause) => !Cause.hasInterrupts(cause),
    (cause) => publish({ _tag: "StepFailed", source, cause })
  )

const ask = Effect.fnUntraced(function*(steps: Steps, error: unknown) {
  for (const { answer, source } of steps) {
    const found = yield* answer
    if (found === undefined) continue
    return { _tag: "Degraded", value: found.value, source, age: found.age, error } as const
  }
  return undefined
})

/**
 * Follows a call by steps that answer in its stead when it fails, one after the other until one does.
 *
 * **Details**
 *
 * - Answers with `Fresh`, or with `Degraded` and where the value comes from, how old it is, and why it is not fresh.
 * - By default only `CircuitOpen` is answered; `when` says otherwise. Other errors, defects and interruptions pass through.
 * - If the last step always answers, the errors that are answered are gone from the call's error channel. Else the call's
 *   own error stays, and is what it fails with if no step has an answer.
 * - A predicate for `when` can't tell TypeScript which errors are left, a type guard can.
 *
 * **Gotchas**
 *
 * An interrupted call is never answered. To answer a defect, make it an error first, with `Effect.catchDefect`.
 *
 * **Example** (The last good answer, then a mirror, then nothing)
 *
 * ```ts
 * import { CircuitBreaker, CircuitStore, Fallback, LastGood, withBreaker } from "@reclose/core"
 * import { Effect, Layer } from "effect"
 *
 * const mirror = Effect.fail("the mirror is down, too")
 *
 * const program = Effect.gen(function*() {
 *   const quotes = yield* LastGood.memory<number>()
 *   yield* CircuitBreaker.use((breaker) => breaker.forceOpen("quotes"))
 *   return yield* Effect.succeed(42).pipe(
 *     withBreaker("quotes"),
 *     Fallback.chain([
 *       Fallback.lastGood(quotes, { key: "ACME", maxAge: "10 minutes" }),
 *       Fallback.effect(mirror, { source: "Mirror" }),
 *       Fallback.value("no quote")
 *     ]),
 *     Effect.map(Fallback.toValue)
 *   )
 * })
 *
 * const Breakers = CircuitBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory))
 *
 * await Effect.runPromise(Effect.provide(program, Breakers)) // => "no quote"
 * ```
 *
 * @category chaining
 * @since 0.1.0
 */
// `Chain` gives the types of all six forms.
export const chain: Chain = dual((args) => Effect.isEffect(args[0]), follow) as unknown as Chain

/**
 * The value of an answer, fresh or not, for callers to whom it makes no difference.
 *
 * @category getters
 * @since 0.1.0
 */
export const toValue = <A>(answer: Answer<A, unknown>): A => answer.value

/**
 * What fallbacks got over, from the moment the stream is run, for the whole process.
 *
 * **Details**
 *
 * Each subscriber has a buffer of its own that keeps the newest 256; one that falls behind loses the oldest and slows
 * nobody. Degraded answers are no events: whoever gets one sees that it is.
 *
 * @category events
 * @since 0.1.0
 */
export const events: Stream.Stream<FallbackEvent> = Stream.unwrap(Effect.map(FallbackBus, (bus) => bus.stream))
