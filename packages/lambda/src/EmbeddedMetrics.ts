/**
 * Metrics of circuits for CloudWatch, in its Embedded Metric Format: lines of JSON on stdout, that CloudWatch turns into
 * metrics as it takes in the log.
 *
 * **Details**
 *
 * | metric | counts, in an invocation |
 * |---|---|
 * | `CircuitOpened` | openings that this container decided, also after a trial that failed |
 * | `CircuitClosed`, `CircuitHalfOpened` | the same for recoveries and trials |
 * | `RecoveryFailed` | trials that ended with an opening |
 * | `CallsSucceeded`, `CallsFailed`, `CallsIgnored` | calls that ran, by what they said of their dependency |
 * | `CallsRejected` | calls that did not run |
 * | `OpenCircuits` | circuits that reject calls as the invocation ends: a level, so look at its maximum |
 * | `StoreFailures` | circuits in use of which the store did not do what it was asked; the line says why |
 *
 * All have the unit `Count` and the dimension `service`, and once more the dimensions `service` and `circuit` for each
 * circuit. What a container has only learned from others is not counted, so that sums over all containers are right.
 *
 * @since 0.1.0
 */
import { dimensions, nameIssues, namespace, toDimensionValue } from "@reclose/cloudwatch"
import { CircuitBreaker } from "@reclose/core/CircuitBreaker"
import { PolicyError, type PolicyIssue } from "@reclose/core/PolicyError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import process from "node:process"
import { BeforeResponse } from "./BeforeResponse.ts"
import { CircuitTally } from "./internal/CircuitTally.ts"
import { toDocument } from "./internal/EmbeddedFormat.ts"

export { dimensions, type MetricName, names, namespace } from "@reclose/cloudwatch"

/**
 * What metrics are written, and under which names.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The value of the dimension `service`, such as the name of the function: 1 to 255 characters. */
  readonly service: string
  /** The namespace: 1 to 255 letters, digits, blanks and `.-_/#:`. Default `Reclose`. */
  readonly namespace?: string | undefined
  /**
   * The value of the dimension `circuit` for a key, or undefined for a circuit that is counted for the service alone.
   * Circuits of one value are added up. Every value is 1 to 10 metrics that CloudWatch charges for, each hour in which
   * they are written: where keys are many, such as one for each customer, say here what they have in common.
   * Default the key itself.
   */
  readonly circuit?: ((key: string) => string | undefined) | undefined
  /**
   * How many circuits are written of by themselves in one invocation, 0 to 1,000: first those that changed their phase,
   * then those with the most failures and rejections, then those with the most calls. All are counted for the service.
   * Default 50.
   */
  readonly maxCircuits?: number | undefined
}

/**
 * Where the lines go: to stdout, unless you provide something else.
 *
 * **Details**
 *
 * Answers once the lines are out. Stdout is written to directly: what goes through `console` in a Lambda function gets a
 * time and a request id before it, or is wrapped in another JSON.
 *
 * **Example** (Lines for a test)
 *
 * ```ts
 * import { CircuitStore, withBreaker } from "@reclose/core"
 * import { EmbeddedMetrics, LambdaBreaker, LambdaHandler } from "@reclose/lambda"
 * import { Effect, Layer } from "effect"
 *
 * const lines: Array<string> = []
 *
 * const Sink = Layer.succeed(EmbeddedMetrics.Sink, { write: (more) => Effect.sync(() => void lines.push(...more)) })
 *
 * const handler = LambdaHandler.make(
 *   EmbeddedMetrics.layer({ service: "worker" }).pipe(
 *     Layer.provideMerge(LambdaBreaker.layer()),
 *     Layer.provide([CircuitStore.layerMemory, Sink])
 *   ),
 *   () => Effect.succeed("42").pipe(withBreaker("quotes"))
 * )
 *
 * await handler(undefined, { getRemainingTimeInMillis: () => 3_000 } as Parameters<typeof handler>[1])
 *
 * lines.length // => 2
 * JSON.parse(lines[1] ?? "").circuit // => "quotes"
 * JSON.parse(lines[1] ?? "").CallsSucceeded // => 1
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export const Sink: Context.Reference<{
  readonly write: (lines: ReadonlyArray<string>) => Effect.Effect<void>
}> = Context.Reference("@reclose/lambda/EmbeddedMetrics/Sink", {
  defaultValue: () => ({
    // A pipe that is full takes the rest later, and would not while the process is frozen: so wait.
    write: (lines) =>
      Effect.callback<void>((resume) => {
        process.stdout.write(lines.map((line) => `${line}\n`).join(""), (error) => {
          resume(error instanceof Error ? Effect.die(error) : Effect.void)
        })
      })
  })
})

/**
 * Writes the metrics of the circuits before each response, and at a shutdown.
 *
 * **Details**
 *
 * An invocation writes one line for the service and one for each circuit that was called or changed its phase; or nothing
 * if no circuit was used and none is open. Whatever happens in an invocation is in that invocation's lines. Nothing is
 * written between invocations, and no timer is set.
 *
 * The line of the service holds all metrics, the line of a circuit those that are not zero, and, for people who look
 * into the log, `transitions`: the last 20 with `from`, `to`, `reason` and `time`, also those that were learned.
 *
 * Where the store failed, both hold `storeFailures`: for each operation and reason, `event` (`StoreFailed`), `operation`,
 * `reason`, `message`, the number of `circuits`, and one `circuit` of them. `recordMismatches` lists in the same way records
 * that were counted under another trip rule or written by another release. The store did what it was asked, so
 * `StoreFailures` does not count them.
 *
 * A key is written as `toDimensionValue` of `@reclose/cloudwatch` spells it: what is outside of printable ASCII is
 * percent-encoded, and what is longer than 255 characters then ends with a hash.
 *
 * Fails with a `PolicyError` that names every option that can't be.
 *
 * **Gotchas**
 *
 * - A circuit under the override `MetricsOnly` changes its phase without rejecting anybody: its transitions are told, and
 *   not counted.
 * - A breaker keeps the newest 256 events until they are taken. What happens to more circuits than that in one go, as by
 *   restoring a snapshot, is counted in part.
 * - A circuit that makes room for another one, beyond `maxKeys` of its policy, takes along what was not told of its calls.
 * - Lambda loses nothing that was written, and CloudWatch may count a line twice.
 *
 * **Example** (A function with metrics)
 *
 * ```ts no-run
 * import { withBreaker } from "@reclose/core"
 * import { DynamoClient, DynamoStore } from "@reclose/dynamodb"
 * import { EmbeddedMetrics, LambdaBreaker, LambdaHandler } from "@reclose/lambda"
 * import { Effect, Layer } from "effect"
 *
 * const Live = EmbeddedMetrics.layer({ service: "worker" }).pipe(
 *   Layer.provideMerge(LambdaBreaker.layer({ openDuration: "10 seconds" })),
 *   Layer.provide(DynamoStore.layer({ tableName: "circuits" })),
 *   Layer.provide(DynamoClient.layer({}))
 * )
 *
 * export const handler = LambdaHandler.make(Live, () => Effect.succeed("42").pipe(withBreaker("quotes")))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<never, PolicyError, CircuitBreaker | BeforeResponse> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const issues = issuesOf(options)
    if (issues.length > 0) return yield* new PolicyError({ issues })
    const { circuit = (key: string) => key, maxCircuits = 50 } = options
    const { add } = yield* BeforeResponse
    const breaker = yield* CircuitBreaker
    const { write } = yield* Sink
    const tally = new CircuitTally()

    // Takes events as they come, so that a long invocation loses none; it ends with the breaker.
    yield* Effect.forkScoped(
      Stream.runForEachArray(
        breaker.events,
        (events) => Effect.sync(() => events.forEach((event) => tally.record(event)))
      ),
      { startImmediately: true }
    )
    // Whoever waits for an event is woken a turn after it was published, which may be queued behind this one's turn: so
    // two turns. What is published then is taken as well.
    const turns = Effect.suspend(() => {
      const { recorded } = tally
      return Effect.as(Effect.andThen(Effect.yieldNow, Effect.yieldNow), () => tally.recorded > recorded)
    })
    const drained = Effect.repeat(turns, { while: (hasMore) => hasMore() })

    // One after the other: what one invocation has listed is out of date where another one has told of what came after.
    const telling = yield* Semaphore.make(1)
    // A function of the program that throws, or names a circuit by what is no text, costs no metric: the key stands for it.
    let misnamed: { readonly key: string; readonly cause: unknown } | undefined
    let hasWarned = false
    const nameOf = (key: string): string | undefined => {
      try {
        const name: unknown = circuit(key)
        if (name === undefined || typeof name === "string") return name
        // A promise that is rejected would end the process.
        if (Predicate.isPromiseLike(name)) name.then(undefined, () => {})
        misnamed = { key, cause: new TypeError(`it returned ${typeof name}: return a text, or undefined for no line`) }
      } catch (cause) {
        misnamed = { key, cause }
      }
      return key
    }
    const warnOnce = Effect.suspend(() => {
      if (misnamed === undefined || hasWarned) return Effect.void
      hasWarned = true
      const { cause, key } = misnamed
      return Effect.logWarning(`the option circuit of EmbeddedMetrics failed for ${JSON.stringify(key)}`, cause)
    })
    const taken = telling.withPermit(Effect.gen(function*() {
      // Looking may find that a trial is over, which is an event.
      const states = yield* breaker.list
      yield* drained
      return tally.take(states, {
        label: (key) => Option.map(Option.fromUndefinedOr(nameOf(key)), toDimensionValue),
        maxCircuits
      })
    }))

    const emit = Effect.gen(function*() {
      const { circuits, leftOut, notes, service } = yield* taken
      yield* warnOnce
      const timestamp = yield* Clock.currentTimeMillis
      if (service === undefined) return
      const base = { timestamp, namespace: options.namespace ?? namespace }
      const serviceValue = toDimensionValue(options.service)
      yield* write([
        toDocument({
          ...base,
          dimensions: { [dimensions.service]: serviceValue },
          metrics: service,
          properties: { ...(leftOut === 0 ? {} : { circuitsLeftOut: leftOut }), ...withoutEmpty(notes) }
        }),
        ...circuits.map(({ label, metrics, notes }) =>
          toDocument({
            ...base,
            dimensions: { [dimensions.service]: serviceValue, [dimensions.circuit]: label },
            metrics,
            properties: withoutEmpty(notes)
          })
        )
      ])
    })

    yield* Effect.addFinalizer(() => emit)
    yield* add({ name: "write the metrics", run: emit })
  }))

const withoutEmpty = (lists: { readonly [name: string]: ReadonlyArray<unknown> }) =>
  Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0))

const issuesOf = (options: Options): ReadonlyArray<PolicyIssue> => {
  const { maxCircuits = 0 } = options
  const isCount = Number.isInteger(maxCircuits) && maxCircuits >= 0 && maxCircuits <= 1_000
  return [
    ...nameIssues(options),
    ...(isCount ? [] : [{ field: "maxCircuits", value: maxCircuits, allowed: "a whole number from 0 to 1,000" }])
  ]
}
