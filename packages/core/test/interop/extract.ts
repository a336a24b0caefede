import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Block, extract, nameOf } from "../../../../scripts/docs/extract.ts"

/** A documented example of the installed Effect that uses its circuit breaker. */
export interface EffectExample extends Block {
  readonly title: string
}

const effect = fileURLToPath(new URL(".", import.meta.resolve("effect/package.json")))

/**
 * The `ts` blocks of one source file. Effect flags its blocks for its own runner (`ts import.meta.vitest`), ours takes
 * a flag for an instruction, so they go; an example that its own runner would skip must run all the same.
 */
export const extractTitled = (file: string, text: string): ReadonlyArray<EffectExample> => {
  const titles = Array.from(text.matchAll(/\*\*Example\*\* \((.*)\)/g), ({ 0: found, 1: title = found, index }) => ({
    title,
    line: text.slice(0, index).split("\n").length
  }))
  return extract(file, text.replaceAll(/^(\s*(?:\* )?```ts) .*$/gm, "$1")).map((block) => ({
    ...block,
    title: titles.findLast(({ line }) => line < block.line)?.title ?? nameOf(block)
  }))
}

/** Every example of the installed package that uses its circuit breaker. One repeated for each overload counts once. */
export const effectExamples = (): ReadonlyArray<EffectExample> => {
  const examples = globSync(["src/**/*.ts", "{.,ai-docs/**}/*.md"], { cwd: effect }).toSorted().flatMap((path) => {
    const text = readFileSync(join(effect, path), "utf8")
    return text.includes("CircuitBreaker") ? extractTitled(`effect/${path}`, text) : []
  })
  const used = examples.filter(({ code }) => code.includes("CircuitBreaker"))
  return used.filter(({ code }, index) => used.findIndex((other) => other.code === code) === index)
}

const named = /^import \{(.*)\} from "effect\/persistence"$/m

/** The same example with only the import of the circuit breaker changed, on the same line. */
export const withBreakerFrom = (example: EffectExample, module: string): EffectExample => {
  const names = named.exec(example.code)?.[1]?.split(",").map((name) => name.trim()) ?? []
  // Otherwise the example would go on to test Effect's own breaker, and pass.
  if (!names.includes("CircuitBreaker")) throw new Error(`${nameOf(example)}: unknown import of CircuitBreaker`)
  const others = names.filter((name) => name !== "CircuitBreaker")
  const rest = others.length === 0 ? "" : `; import { ${others.join(", ")} } from "effect/persistence"`
  return { ...example, code: example.code.replace(named, `import * as CircuitBreaker from "${module}"${rest}`) }
}
