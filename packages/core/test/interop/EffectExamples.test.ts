import { describe, expect, it } from "vitest"
import { typecheck } from "../../../../scripts/docs/examples.ts"
import { effectExamples, withBreakerFrom } from "./extract.ts"
import { prepare, run } from "./run.ts"

// Effect's own module is the control: it shows that what fails here fails because of ours.
const modules = [
  { module: "effect/persistence/CircuitBreaker", folder: "interop-effect" },
  { module: "@reclose/core/EffectCircuitBreaker", folder: "interop-reclose" }
]

describe.for(modules)("Effect's examples of its circuit breaker, with $module", ({ folder, module }) => {
  const examples = prepare(folder, effectExamples().map((example) => withBreakerFrom(example, module)))

  it("all compile", { timeout: 120_000 }, () => {
    expect(examples.length).toBeGreaterThan(0)
    expect(typecheck(folder, examples)).toEqual([])
  })

  it.for(examples.map((example) => [example.label, example] as const))("%s", ([, example]) => run(example))
})
