/**
 * Plays a plan: both sides of its traffic, the watch over its circuits, and the words about them.
 */
import { CircuitBreaker, CircuitStore } from "@reclose/core"
import { Array, Chunk, Effect, Layer, Ref, Stream } from "effect"
import type { Plan, Side } from "./Plan.ts"
import type { Screen } from "./Screen.ts"
import type { Stopwatch } from "./Stopwatch.ts"
import * as Summary from "./Summary.ts"
import * as Traffic from "./Traffic.ts"
import type * as View from "./View.ts"

/** Collects what happens to the circuits of the plan, and to its upstreams as far as their script is known. */
const collectNews = Effect.fnUntraced(function*(plan: Plan, stopwatch: Stopwatch) {
  const breaker = yield* CircuitBreaker
  const news = yield* Ref.make(Chunk.empty<View.News>())
  const tell = (item: View.News) => Ref.update(news, Chunk.append(item))
  yield* breaker.transitions.pipe(
    Stream.runForEach(Effect.fnUntraced(function*(transition) {
      const at = yield* stopwatch.elapsed
      const { counts } = yield* Effect.orDie(breaker.state(transition.key))
      yield* tell({ _tag: "Transition", at, transition, counts })
    })),
    // A subscription sees what comes after it, so it begins before the first call does.
    Effect.forkScoped({ startImmediately: true })
  )
  const health = Object.entries(plan.scripts).flatMap(([key, script]) =>
    script.slice(1).map(({ from, health }) =>
      Effect.andThen(stopwatch.until(from), tell({ _tag: "Health", at: from, key, health }))
    )
  )
  yield* Effect.forkScoped(Effect.all(health, { concurrency: "unbounded", discard: true }))
  return Effect.map(Ref.get(news), Chunk.toReadonlyArray)
})

const summarySide = Effect.fnUntraced(function*(side: Side, journal: Traffic.Journal) {
  return {
    calls: Chunk.toReadonlyArray(yield* Ref.get(journal)),
    receivedWhileSick: side.receivedWhileSick === undefined ? undefined : yield* side.receivedWhileSick
  }
})

/** Runs a plan to its end and shows it. A run that is interrupted ends with the summary of what it has seen. */
export const run = Effect.fnUntraced(
  function*(plan: Plan, stopwatch: Stopwatch, screen: Screen) {
    const breaker = yield* CircuitBreaker
    const keys = Array.dedupe(plan.guarded.requests.map(({ key }) => key))
    const journals = { guarded: yield* Traffic.makeJournal, unguarded: yield* Traffic.makeJournal }
    const twin = plan.unguarded

    const totals = (journal: Traffic.Journal) => Effect.map(Ref.get(journal), Summary.totals)

    const play = Effect.gen(function*() {
      yield* stopwatch.start
      const news = yield* collectNews(plan, stopwatch)
      const scene: Effect.Effect<View.Scene> = Effect.all({
        elapsed: stopwatch.elapsed,
        lasts: Effect.succeed(plan.lasts),
        // A key that a breaker takes is one that it can be asked about.
        circuits: Effect.orDie(Effect.forEach(keys, breaker.state)),
        scripts: Effect.succeed(plan.scripts),
        news,
        guarded: totals(journals.guarded),
        unguarded: twin === undefined ? Effect.succeed(undefined) : totals(journals.unguarded)
      })
      yield* screen.show(scene)
      const guarded = Traffic.run({
        requests: plan.guarded.requests,
        send: Traffic.guarded(plan.timeout),
        stopwatch,
        journal: journals.guarded
      })
      const unguarded = Traffic.run({
        requests: twin?.requests ?? [],
        send: Traffic.unguarded(plan.timeout),
        stopwatch,
        journal: journals.unguarded
      })
      yield* Effect.all([guarded, unguarded], { concurrency: "unbounded", discard: true })
      // What the last call has changed is still on its way through the subscription.
      yield* Effect.sleep("50 millis")
    }).pipe(Effect.scoped)

    const conclude = Effect.gen(function*() {
      const until = yield* stopwatch.elapsed
      yield* screen.print([
        "",
        ...Summary.summary({
          guarded: yield* summarySide(plan.guarded, journals.guarded),
          unguarded: twin === undefined ? undefined : yield* summarySide(twin, journals.unguarded),
          scripts: plan.scripts,
          until
        }, yield* screen.columns)
      ])
    })

    yield* screen.print([...plan.intro, ""])
    yield* Effect.ensuring(play, conclude)
  },
  (effect, plan) => Effect.provide(effect, breakers(plan))
)

const breakers = (plan: Plan) => CircuitBreaker.layer(plan.policy).pipe(Layer.provide(CircuitStore.layerMemory))
