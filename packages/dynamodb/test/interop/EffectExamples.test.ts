/** Effect's own examples of its breaker, with nothing changed but the layer of the store. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { typecheck } from "../../../../scripts/docs/examples.ts"
import { effectExamples } from "../../../core/test/interop/extract.ts"
import { prepare, run } from "../../../core/test/interop/run.ts"
import { onEachServer, Server } from "../support.ts"
import { endpointVariable, layerStore } from "./exampleStore.ts"

const memory = "CircuitBreaker.layerStoreMemory()"
const imported = /^import \{.*\bCircuitBreaker\b.*\} from "effect\/persistence"$/m

const withStore = (example: ReturnType<typeof effectExamples>[number]) => {
  // Otherwise the example would go on with Effect's memory store, and pass.
  if (!example.code.includes(memory) || !imported.test(example.code)) {
    throw new Error(`${example.title}: unknown way to provide a store`)
  }
  const store = `import { ${layerStore.name} } from "../../packages/dynamodb/test/interop/exampleStore.ts"`
  return {
    ...example,
    code: example.code.replace(memory, `${layerStore.name}()`).replace(imported, (line) => `${line}; ${store}`)
  }
}

let suites = 0

onEachServer("Effect's examples of its circuit breaker", (it) => {
  const folder = `interop-dynamodb-${++suites}`
  const examples = prepare(folder, effectExamples().map(withStore))

  it.effect("all compile", () =>
    Effect.sync(() => {
      assert.isAbove(examples.length, 0)
      assert.deepStrictEqual(typecheck(folder, examples), [])
    }), 120_000)

  for (const example of examples) {
    it.effect(example.label, () =>
      Effect.gen(function*() {
        process.env[endpointVariable] = (yield* Server).endpoint
        yield* Effect.promise(() => run(example))
      }))
  }
})
