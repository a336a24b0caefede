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
    Stream.runForEach((transition) =>
      Effect.flatMap(stopwatch.elapsed, (at) => tell({ _tag: "Transition", at, transition }))
    ),
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

    const traffic = Effect.fnUntraced(function*(side: Side, send: Traffic.Send, journal: Traffic.Journal) {
      yield* Traffic.run({ requests: side.requests, send, stopwatch, journal })
    })

    const play = Effect.gen(function*() {
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
      const guarded = traffic(plan.guarded, yield* Traffic.guarded(plan.timeout), journals.guarded)
      const unguarded = twin === undefined
        ? Effect.void
        : traffic(twin, yield* Traffic.unguarded(plan.timeout), journals.unguarded)
      yield* Effect.all([guarded, unguarded], { concurrency: "unbounded", discard: true })
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
        })
      ])
    })

    yield* screen.print([...plan.intro, ""])
    yield* Effect.ensuring(play, conclude)
  },
  (effect, plan) => Effect.provide(effect, breakers(plan))
)

const breakers = (plan: Plan) => CircuitBreaker.layer(plan.policy).pipe(Layer.provide(CircuitStore.layerMemory))
