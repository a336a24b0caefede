import { describe, expect, it } from "vitest"
import { effectExamples, extractTitled, withBreakerFrom } from "./extract.ts"
import { prepare, run } from "./run.ts"

const source = (...code: ReadonlyArray<string>) =>
  ["/**", "**Example** (Adding)", "", "```ts import.meta.vitest", ...code, "```", "/"].join("\n * ")

describe("the runner of Effect's examples", () => {
  const wrong = prepare("interop-self-test", [
    ...extractTitled("assertion.ts", source("const sum = await Promise.resolve(1 + 1)", "", "sum // => 3")),
    ...extractTitled("exception.ts", source("", "throw new Error(\"boom\")"))
  ])

  it("names an example after its title and its place", () => {
    expect(wrong.map(({ label }) => label)).toEqual(["Adding (assertion.ts:4)", "Adding (exception.ts:4)"])
  })

  it.for([
    ["assertion", "assertion.ts:7: sum // => 3"],
    ["exception", "exception.ts:6: throw new Error(\"boom\")"]
  ])("tells the line of a failed %s", async ([name, message]) => {
    const example = wrong.find(({ block }) => block.file === `${name}.ts`)
    await expect(example && run(example)).rejects.toThrow(expect.objectContaining({ message }))
  })

  it("refuses an example that it would run against Effect's own breaker", () => {
    const [example] = extractTitled("a.ts", source("import * as Persistence from \"effect/persistence\""))
    expect(() => example && withBreakerFrom(example, "elsewhere")).toThrow("a.ts:4: unknown import of CircuitBreaker")
  })
})

describe("Effect's examples with another expected value", () => {
  const mutated = prepare(
    "interop-mutated",
    effectExamples().map((example) => ({ ...example, code: example.code.replace(/\/\/ => .*$/gm, "// => Symbol()") }))
  )

  it.for(mutated.map((example) => [example.label, example] as const))("fail: %s", async ([, example]) => {
    await expect(run(example)).rejects.toThrow(/^effect\/src\/.+\.ts:\d+: await Effect.runPromise\(.+\) \/\/ => Symbol/)
  })
})
