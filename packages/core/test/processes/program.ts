/**
 * The program of a process: a breaker over a store, that does what it is told on stdin until that closes.
 *
 * It imports modules one by one, as does all that it needs: so it starts in half the time.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { CircuitBreaker, type CircuitEvent, type CircuitStore, CircuitStoreError, Policy } from "@reclose/core"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createInterface } from "node:readline"
import { call, callOften, callUntil } from "./calls.ts"
import { type Load, startLoad } from "./Load.ts"
import type { Line, Protocol, Start, Told, Verb } from "./Protocol.ts"

const tell = (line: Line): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const toTold = (event: CircuitEvent): Told => {
  const key = "key" in event ? event.key : ""
  switch (event._tag) {
    case "Transition":
      return { event: event._tag, key, to: event.to, why: event.reason._tag }
    case "StoreFailed": {
      const { cause, operation } = event
      const told = { event: event._tag, key, operation }
      if (!(cause instanceof CircuitStoreError)) return { ...told, why: String(cause) }
      const { message, reason } = cause
      return { ...told, cause: { tag: cause._tag, key: cause.key, operation: cause.operation, reason, message } }
    }
    case "RecordMismatch": {
      const { message, operation, reason } = event.cause
      return {
        event: event._tag,
        key,
        cause: { tag: event.cause._tag, key: event.cause.key, operation, reason, message }
      }
    }
    default:
      return { event: event._tag, key }
  }
}

type Handlers = {
  readonly [V in Verb]: (ask: Protocol[V][0]) => Effect.Effect<Protocol[V][1], unknown, CircuitBreaker>
}

const makeHandlers = Effect.gen(function*() {
  const breaker = yield* CircuitBreaker
  const scope = yield* Effect.scope
  let load: Load | undefined
  const handlers: Handlers = {
    call,
    callUntil,
    callOften: ({ key, times }) => callOften(key, times),
    steer: ({ act, key }) => Effect.as(breaker[act](key), null),
    state: ({ key }) =>
      Effect.map(breaker.state(key), ({ override, phase, retryAfter }) => ({
        phase,
        override,
        retryAfter: Duration.toMillis(retryAfter)
      })),
    flush: () => Effect.as(breaker.flush, null),
    startLoad: (ask) =>
      Effect.map(Effect.provideService(startLoad(ask), Scope.Scope, scope), (started) => {
        load = started
        return null
      }),
    stopLoad: () => load === undefined ? Effect.die("there is no load") : load.stop
  }
  return handlers
})

interface Asked<V extends Verb> {
  readonly id: number
  readonly verb: V
  readonly ask: Protocol[V][0]
}

const handle = <V extends Verb>(handlers: Handlers, { ask, id, verb }: Asked<V>) =>
  Effect.matchCause(handlers[verb](ask), {
    onSuccess: (answer) => tell({ _tag: "Answer", id, answer }),
    onFailure: (cause) => tell({ _tag: "Defect", id, message: Cause.pretty(cause) })
  })

/** What of the program does not depend on the store. It ends with stdin. */
const obey = Effect.gen(function*() {
  const breaker = yield* CircuitBreaker
  const handlers = yield* makeHandlers
  yield* Effect.forkScoped(
    Stream.runForEach(breaker.events, (event) => Effect.sync(() => tell({ _tag: "Told", told: toTold(event) }))),
    { startImmediately: true }
  )
  tell({ _tag: "Ready" })
  const lines = Stream.fromAsyncIterable(createInterface({ input: process.stdin }), (cause) => cause)
  yield* Stream.runForEach(lines, (line) => Effect.forkScoped(handle(handlers, JSON.parse(line))))
})

/** Runs this process, over the store that is where its arguments say. */
export const serve = <Where>(storeAt: (where: Where) => Layer.Layer<CircuitStore, unknown>): void => {
  const { policy, where }: Start<Where> = JSON.parse(process.argv[2] ?? "{}")
  const breakers = Layer.unwrap(Effect.map(Policy.fromJson(policy), CircuitBreaker.layer)).pipe(
    Layer.provide(storeAt(where))
  )
  Effect.scoped(obey).pipe(
    Effect.provide(breakers),
    // Stdout is for answers.
    Effect.provideService(Logger.LogToStderr, true),
    NodeRuntime.runMain
  )
}
