/**
 * A process that asks for a quote and serves the last good one, remembered in files, when it gets none. It writes what it
 * served to stdout, a line of JSON each.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { CircuitBreaker, CircuitOpen, Fallback, LastGoodStore, TripRule, withBreaker } from "@reclose/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Schema from "effect/Schema"

export interface Start {
  readonly directory: string
  /** What the dependency does, call by call. */
  readonly quotes: ReadonlyArray<number | "down">
  /** Whether it ends by itself then, or waits to be killed. */
  readonly ends: boolean
}

export interface Served {
  readonly tag: "Fresh" | "Degraded"
  readonly value: number
  /** In milliseconds. */
  readonly age?: number | undefined
  /** Why it is not fresh. */
  readonly why?: "down" | "CircuitOpen"
}

const { directory, ends, quotes }: Start = JSON.parse(process.argv[2] ?? "{}")

const serve = Effect.gen(function*() {
  const lastGood = yield* LastGoodStore.make({
    store: yield* KeyValueStore.KeyValueStore,
    schema: Schema.Finite,
    // Whoever is slow is this machine.
    storeTimeout: "10 seconds"
  })
  const chain = Fallback.chain([Fallback.lastGood(lastGood, { key: "ACME", maxAge: "1 hour" })], { when: () => true })
  for (const quote of quotes) {
    const asked = quote === "down" ? Effect.fail(quote) : Effect.succeed(quote)
    const answer = yield* chain(withBreaker(asked, "quotes"))
    const served: Served = answer._tag === "Fresh"
      ? { tag: answer._tag, value: answer.value }
      : {
        tag: answer._tag,
        value: answer.value,
        age: answer.age && Duration.toMillis(answer.age),
        why: answer.error instanceof CircuitOpen ? answer.error._tag : answer.error
      }
    process.stdout.write(`${JSON.stringify(served)}\n`)
  }
  if (!ends) return yield* Effect.never
})

serve.pipe(
  Effect.scoped,
  Effect.provide(Layer.mergeAll(
    CircuitBreaker.layerLocal({ tripRule: TripRule.consecutive(1) }),
    KeyValueStore.layerFileSystem(directory).pipe(Layer.provide(Layer.merge(NodeFileSystem.layer, NodePath.layer)))
  )),
  // Stdout is for what is served.
  Effect.provideService(Logger.LogToStderr, true),
  NodeRuntime.runMain
)
