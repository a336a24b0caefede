/**
 * Logs what happens to circuits, from the first event on.
 *
 * **Details**
 *
 * A stream of events starts when it is run, and a fiber that is forked to run it starts later than the program that forked
 * it: whatever happens in between is missed. What this module logs is subscribed to before its layer is built, and the
 * last events before the layer closes are logged, too.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Breaker, CircuitBreaker } from "./CircuitBreaker.ts"
import type { CircuitEvent, Reading, Transition, TransitionReason } from "./CircuitEvent.ts"
import { CircuitStoreError } from "./CircuitStoreError.ts"
import * as Fallback from "./Fallback.ts"
import type { FallbackEvent } from "./FallbackEvent.ts"

/**
 * Logs the events of a breaker until the scope closes. It returns when it has subscribed, so nothing that happens
 * afterwards is missed; only a program that publishes more than 256 events at once loses the oldest of them.
 *
 * **Details**
 *
 * | event | level |
 * |---|---|
 * | a circuit opened; the store failed; a record of another rule or format; a new key found no room | warning |
 * | a classifier failed | error |
 * | a circuit became half-open or closed; an override or the policy changed; the store recovered; a record matches again | info |
 * | an idle circuit was evicted | debug |
 *
 * Each line carries the annotation `circuit`; a transition also has `from`, `to` and `reason`. Every rejected key and every
 * failed classifier is an event, so of each of these kinds one line is logged in ten seconds, with the number of those
 * that were left out since. A store that fails does so for every circuit, so of each kind about stores and records there
 * are at most five lines in ten seconds.
 *
 * **Example** (A breaker that a program holds itself)
 *
 * ```ts
 * import { CircuitBreaker, EventLog, TripRule } from "@reclose/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker.makeLocal({ tripRule: TripRule.consecutive(1) })
 *   yield* EventLog.logEvents(breaker)
 *   return yield* Effect.flip(breaker.withBreaker(Effect.fail("down"), "quotes"))
 *   // WARN: circuit "quotes" opened for 30s: 1 failure in a row (trips at 1)
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "down"
 * ```
 *
 * @category logging
 * @since 0.1.0
 */
export const logEvents = (breaker: Pick<Breaker, "events">): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const limits = new Map<CircuitEvent["_tag"], LineLimit>([
      ["KeyRefused", new LineLimit(clock, 1)],
      ["ClassifierFailed", new LineLimit(clock, 1)],
      // A store that fails does so for every circuit in use.
      ["StoreFailed", new LineLimit(clock, 5)],
      ["StoreRecovered", new LineLimit(clock, 5)],
      ["RecordMismatch", new LineLimit(clock, 5)],
      ["RecordMatched", new LineLimit(clock, 5)]
    ])
    return forkLogging(breaker.events, (event) => {
      const limit = limits.get(event._tag)
      const leftOut = limit === undefined ? 0 : limit.leftOut()
      return leftOut === undefined ? Effect.void : logEvent(event, leftOut)
    })
  })

/**
 * Logs the events of the breaker service for as long as the layer lives; see `logEvents`.
 *
 * **Example** (Beside the breaker, in every program)
 *
 * ```ts
 * import { CircuitBreaker, EventLog, TripRule, withBreaker } from "@reclose/core"
 * import { Effect, Layer } from "effect"
 *
 * const Breakers = EventLog.layer.pipe(
 *   Layer.provideMerge(CircuitBreaker.layerLocal({ tripRule: TripRule.consecutive(1) }))
 * )
 *
 * const program = Effect.flip(withBreaker(Effect.fail("down"), "quotes"))
 *
 * await Effect.runPromise(Effect.provide(program, Breakers)) // => "down"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, CircuitBreaker> = Layer.effectDiscard(CircuitBreaker.use(logEvents))

/**
 * Logs what fallbacks cope with, as warnings, for as long as the layer lives: a step or a store of last good values that
 * failed, a stored value that could not be read.
 *
 * **Example** (Beside the program)
 *
 * ```ts
 * import { EventLog, Fallback } from "@reclose/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.fail("down").pipe(
 *   Fallback.chain([Fallback.effect(Effect.fail("the mirror is down, too")), Fallback.value("later")], { when: () => true })
 * )
 *
 * const answer = await Effect.runPromise(Effect.provide(program, EventLog.layerFallback))
 *
 * answer.value // => "later"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFallback: Layer.Layer<never> = Layer.effectDiscard(
  Effect.suspend(() => forkLogging(Fallback.events, logFallback))
)

/** Runs a log in the background. The subscription exists when this returns. */
const forkLogging = <A>(
  events: Stream.Stream<A>,
  log: (event: A) => Effect.Effect<void>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.suspend(() => {
    let logged = 0
    // A logger that throws costs its line, and not every later one.
    const logOne = (event: A) =>
      Effect.andThen(
        Effect.catchDefect(Effect.suspend(() => log(event)), () => Effect.void),
        Effect.sync(() => logged++)
      )
    // An event passes through several turns of the scheduler on its way to the fiber.
    const drain = Effect.gen(function*() {
      let before = -1
      // Other fibers may go on to publish events, so this ends after some rounds.
      for (let round = 0; round < maxRounds && before !== logged; round++) {
        before = logged
        for (let i = 0; i < turns; i++) yield* Effect.yieldNow
      }
    })
    return Effect.andThen(
      Effect.forkScoped(Stream.runForEach(events, logOne), { startImmediately: true }),
      Effect.addFinalizer(() => drain)
    )
  })

/** How many turns without a logged event show that no event is on its way. */
const turns = 4
const maxRounds = 1_000

/** Limits the lines of one kind within ten seconds. */
class LineLimit {
  private readonly clock: Clock.Clock
  private readonly most: number
  private endsAt = Number.NEGATIVE_INFINITY
  private lines = 0
  private skipped = 0

  constructor(clock: Clock.Clock, most: number) {
    this.clock = clock
    this.most = most
  }

  /** Returns how many lines were left out before this one; undefined if this one is left out as well. */
  leftOut(): number | undefined {
    const now = Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
    if (now >= this.endsAt) {
      this.endsAt = now + 10_000
      this.lines = 0
    }
    if (++this.lines > this.most) {
      this.skipped++
      return undefined
    }
    const { skipped } = this
    this.skipped = 0
    return skipped
  }
}

const logEvent = (event: CircuitEvent, leftOut: number): Effect.Effect<void> => {
  const beside = leftOut === 0 ? "" : ` (and ${leftOut} more such lines were left out)`
  switch (event._tag) {
    case "Transition": {
      const { from, key, reason, to } = event
      const log = to === "Open" ? Effect.logWarning(toSentence(event)) : Effect.logInfo(toSentence(event))
      return Effect.annotateLogs(log, { circuit: key, from, to, reason: reason._tag })
    }
    case "Overridden": {
      const how = event.override === "None" ? "the override ended" : `an operator set ${event.override}`
      return about(event.key, Effect.logInfo(`circuit ${quote(event.key)}: ${how}`))
    }
    case "PolicyUpdated":
      return Effect.logInfo("the breaker's policy was updated")
    case "ClassifierFailed":
      return about(
        event.key,
        Effect.logError(
          `circuit ${quote(event.key)}: a classifier failed, so its call counts as ignored${beside}`,
          event.cause
        )
      )
    case "KeyForgotten":
      return about(event.key, Effect.logDebug(`circuit ${quote(event.key)} was idle and has been evicted`))
    case "KeyRefused":
      return about(
        event.key,
        Effect.logWarning(
          `no room for circuit ${
            quote(event.key)
          }, so its calls run unguarded: raise maxKeys, or use fewer keys${beside}`
        )
      )
    case "StoreFailed": {
      const where = event.key === "" ? "" : ` for circuit ${quote(event.key)}`
      return about(
        event.key,
        Effect.logWarning(
          `the store failed to ${operations[event.operation]}${where}; circuits go on locally${beside}`,
          // What it says is enough to act on; its stack is that of the store's code.
          event.cause instanceof CircuitStoreError ? `${event.cause.reason}: ${event.cause.message}` : event.cause
        )
      )
    }
    case "StoreRecovered":
      return event.key === ""
        ? Effect.logInfo(`the store reports changes again${beside}`)
        : about(event.key, Effect.logInfo(`the store has recovered for circuit ${quote(event.key)}${beside}`))
    case "RecordMismatch":
      return about(
        event.key,
        Effect.logWarning(`circuit ${quote(event.key)} is not shared in full: ${event.cause.message}${beside}`)
      )
    case "RecordMatched":
      return about(event.key, Effect.logInfo(`circuit ${quote(event.key)} is shared in full again${beside}`))
  }
}

const operations = { read: "read", replace: "write", changes: "report changes" }

const quote = (key: string): string => JSON.stringify(key)

const about = (key: string, log: Effect.Effect<void>): Effect.Effect<void> =>
  key === "" ? log : Effect.annotateLogs(log, "circuit", key)

const toSentence = ({ consecutiveOpenings, key, openDuration, override, reason, to }: Transition): string => {
  const times = consecutiveOpenings > 1 ? `, opening ${consecutiveOpenings} in a row` : ""
  const how = to === "Open" ? `opened for ${Duration.format(openDuration)}${times}` : phases[to]
  const only = override === "MetricsOnly" ? " (metrics only: no call is rejected)" : ""
  return `circuit ${quote(key)} ${how}: ${toCause(reason)}${only}`
}

const phases = { Closed: "closed", HalfOpen: "became half-open" }

const toCause = (reason: TransitionReason): string => {
  switch (reason._tag) {
    case "Tripped":
      return reason.readings.map(toWords).join(" and ")
    case "OpenElapsed":
      return "its open duration is over"
    case "ProbesSucceeded":
      return "its probes succeeded"
    case "ProbeFailed":
      return "a probe failed"
    case "DeadlineExpired":
      return "its probes did not end before the deadline"
    case "ForcedClosed":
      return "an operator forced it closed"
    case "Reset":
      return "an operator reset it"
    case "Learned":
      return "another instance changed it"
    case "Restored":
      return "an operator restored a snapshot"
  }
}

const toWords = (reading: Reading): string => {
  switch (reading._tag) {
    case "Consecutive":
      return `${count(reading.failures, "failure")} in a row (trips at ${reading.threshold})`
    case "Failures": {
      const within = Duration.format(Duration.millis(reading.window))
      return `${count(reading.failures, "failure")} within ${within} (trips at ${reading.threshold})`
    }
    case "FailureRate":
    case "SlowCallRate": {
      const what = reading._tag === "FailureRate" ? "failed" : "were slow"
      const share = `${percent(reading.rate)}, trips at ${percent(reading.threshold)}`
      return `${reading.hits} of ${count(reading.calls, "call")} ${what} (${share})`
    }
    case "InFlightAge": {
      const age = Duration.format(Duration.millis(reading.olderThan))
      return `${count(reading.calls, "call")} in flight for more than ${age} (trips at ${reading.threshold})`
    }
  }
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`

const logFallback = (event: FallbackEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "StepFailed":
      return Effect.logWarning(`fallback ${quote(event.source)} failed`, event.cause)
    case "StoreFailed":
      return Effect.logWarning(
        `the store of last good values failed to ${event.operation} ${quote(event.key)}`,
        event.cause
      )
    case "AnswerCorrupt":
      return Effect.logWarning(`the stored last good value of ${quote(event.key)} can't be read`, event.cause)
  }
}
