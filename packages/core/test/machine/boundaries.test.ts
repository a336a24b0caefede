/** What may import what: the machine nothing of the runtime, a program nothing that it doesn't use. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { type Import, importsOf } from "./imports.ts"

const src = new URL("../../src/", import.meta.url)

/** The modules of a folder of the sources, each by its path below `src`. */
const modulesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(new URL(folder, src), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts")).map((name) => folder + name)

const read = (module: string): string => readFileSync(new URL(module, src), "utf8")

/** Where a relative import leads, as a path below `src`. */
const follow = (module: string, specifier: string): string =>
  new URL(specifier, new URL(module, src)).href.slice(src.href.length)

// Data of the runtime that does nothing by itself, and types that the machine shares with those who call it.
const pureData = ["effect/Duration"]
const sharedTypes = ["Outcome.ts"]

/** Whether a module of the machine may import this. */
const isAllowed = (module: string, { isType, specifier }: Import): boolean => {
  if (pureData.includes(specifier)) return true
  if (!specifier.startsWith("./") && !specifier.startsWith("../")) return false
  const target = follow(module, specifier)
  return /^machine\/\w+\.ts$/.test(target) || isType && sharedTypes.includes(target)
}

const trespasses = (module: string, source: string): ReadonlyArray<string> =>
  importsOf(source).filter((found) => !isAllowed(module, found)).map(({ specifier }) => specifier)

describe("the machine", () => {
  it("imports itself, types that it shares, and pure data: nothing of a runtime", () => {
    const modules = modulesIn("machine/")
    assert.includeMembers([...modules], ["machine/Circuit.ts", "machine/Evidence.ts", "machine/Rule.ts"])
    for (const module of modules) assert.deepStrictEqual(trespasses(module, read(module)), [], module)
  })

  it.each([
    [`import * as Effect from "effect/Effect"`, "effect/Effect"],
    [`import type * as Effect from "effect/Effect"`, "effect/Effect"],
    [`import { Clock } from "effect"`, "effect"],
    [`import{now}from"effect/Clock"`, "effect/Clock"],
    [`import Effect, { type Scope } from 'effect/Effect'`, "effect/Effect"],
    [`import {\n  Ref, // what holds the circuit\n  type Layer\n} from\n  "effect/Ref"`, "effect/Ref"],
    [`import "effect/Fiber"`, "effect/Fiber"],
    [`import"effect/Random"`, "effect/Random"],
    [`import /* quietly */ "effect/Stream"`, "effect/Stream"],
    [`import { "a b" as c } from "effect/Queue"`, "effect/Queue"],
    [`export * from "effect/Queue"`, "effect/Queue"],
    [`export * as Queue from "effect/Queue"`, "effect/Queue"],
    [`export { Context } from "effect/Context"`, "effect/Context"],
    [`export type { Layer } from "effect/Layer"`, "effect/Layer"],
    [`const load = () => import("effect/Effect")`, "effect/Effect"],
    ["const load = () => import(`effect/Effect`)", "effect/Effect"],
    [`const load = (name: string) => import(name)`, "name"],
    [`const load = () => import( /* webpack */ "effect/Effect" )`, "effect/Effect"],
    [`type Effect = import("effect/Effect").Effect<void>`, "effect/Effect"],
    [`const Effect = require("effect/Effect")`, "effect/Effect"],
    [`const fs = process.getBuiltinModule("node:fs")`, "node:fs"],
    [`import { readFileSync } from "node:fs"`, "node:fs"],
    [`import { performance } from "perf_hooks"`, "perf_hooks"],
    [`import * as Clock from "../internal/Clock.ts"`, "../internal/Clock.ts"],
    [`import type { Engine } from "../internal/Engine.ts"`, "../internal/Engine.ts"],
    [`import { Engine } from "./../internal/Engine.ts"`, "./../internal/Engine.ts"],
    [`import { Engine } from "../machine/../internal/Engine.ts"`, "../machine/../internal/Engine.ts"],
    [`import { ignored } from "../Outcome.ts"`, "../Outcome.ts"],
    [`import { type Outcome } from "../Outcome.ts"`, "../Outcome.ts"],
    [`import type from "../Outcome.ts"`, "../Outcome.ts"],
    [`import type { Policy } from "../Policy.ts"`, "../Policy.ts"],
    [`import * as core from "@reclose/core"`, "@reclose/core"],
    [`// the runtime\nimport * as Effect from "effect/Effect" // really`, "effect/Effect"],
    [`const text = "import"\nimport * as Effect from "effect/Effect"`, "effect/Effect"],
    [`const text = "//"\nimport * as Effect from "effect/Effect"`, "effect/Effect"],
    [`export interface A {\n  readonly b: string\n}\nexport * from "effect/Effect"`, "effect/Effect"],
    [`export const from = (a: number) => a\nimport "effect/Effect"`, "effect/Effect"]
  ])("may not say %s", (planted, specifier) => {
    const source = read("machine/Circuit.ts")
    assert.deepStrictEqual(trespasses("machine/Circuit.ts", planted), [specifier])
    assert.include(trespasses("machine/Circuit.ts", `${planted}\n${source}`), specifier)
    assert.include(trespasses("machine/Circuit.ts", `${source}\n${planted}\n`), specifier)
  })

  it.each([
    `import { InFlight } from "./InFlight.ts"`,
    `import type { Rule } from "../machine/Rule.ts"`,
    `import * as Duration from "effect/Duration"`,
    `import type { Outcome } from "../Outcome.ts"`,
    `export type { Outcome } from "../Outcome.ts"`,
    `// import * as Effect from "effect/Effect"`,
    `/*\n * import * as Effect from "effect/Effect"\n */`,
    `const text = 'import * as Effect from "effect/Effect"'`,
    "const text = `import \"effect/Effect\"`",
    `export const imported = { from: "effect/Effect" }`
  ])("may say %s", (source) => {
    assert.deepStrictEqual(trespasses("machine/Circuit.ts", source), [])
  })
})

const require = createRequire(import.meta.url)

/** Everything that is loaded with a module, down to the last of the runtime, by where it is. */
const loadedWith = (entry: string): ReadonlySet<string> => {
  const loaded = new Set<string>()
  const load = (href: string): void => {
    if (loaded.has(href)) return
    loaded.add(href)
    for (const { isType, specifier } of importsOf(readFileSync(new URL(href), "utf8"))) {
      if (isType) continue
      if (specifier.startsWith(".")) load(new URL(specifier, href).href)
      else if (specifier.startsWith("effect")) load(`file://${require.resolve(specifier)}`)
    }
  }
  load(new URL(entry, src).href)
  return loaded
}

const endsWith = (loaded: ReadonlySet<string>, end: string): boolean => [...loaded].some((href) => href.endsWith(end))

describe("a program with a breaker", () => {
  const loaded = loadedWith("CircuitBreaker.ts")

  it("loads the machine, its shell, and what they need of the runtime", () => {
    for (const needed of ["/src/machine/Circuit.ts", "/src/internal/Engine.ts", "/src/internal/PolicyReader.ts"]) {
      assert.isTrue(endsWith(loaded, needed), needed)
    }
    assert.isTrue(endsWith(loaded, "/effect/dist/Effect.js"))
  })

  it.each([
    "/effect/dist/Schema.js",
    "/effect/dist/SchemaAST.js",
    "/effect/dist/Config.js",
    "/effect/dist/ConfigProvider.js",
    "/effect/dist/index.js",
    "/effect/dist/persistence/CircuitBreaker.js",
    "/src/CircuitStore.ts",
    "/src/sync/Sync.ts",
    "/src/Snapshot.ts",
    "/src/Policy.ts",
    "/src/Preset.ts",
    "/src/ConfigTree.ts",
    "/src/internal/TreeReader.ts",
    "/src/EffectCircuitBreaker.ts",
    "/src/index.ts"
  ])("does not load %s", (module) => {
    assert.isFalse(endsWith(loaded, module))
  })

  it("would be found out if it did", () => {
    assert.isTrue(endsWith(loadedWith("Snapshot.ts"), "/effect/dist/Schema.js"))
    assert.isTrue(endsWith(loadedWith("CircuitStore.ts"), "/src/sync/Sync.ts"))
    assert.isTrue(endsWith(loadedWith("Policy.ts"), "/src/internal/TreeReader.ts"))
    assert.isTrue(endsWith(loadedWith("EffectCircuitBreaker.ts"), "/effect/dist/persistence/CircuitBreaker.js"))
  })
})

describe("a module", () => {
  const modules = modulesIn("")

  /** Modules that hold nothing but others, and bring them all. */
  const isBarrel = (module: string, specifier: string): boolean =>
    specifier.startsWith(".")
      ? follow(module, specifier) === "index.ts"
      : !/^effect\/(?:[a-z-]+\/)*[A-Z]\w*$/.test(specifier)

  it("imports single modules of the runtime, and no barrel", () => {
    // A kit for tests is loaded by tests alone, beside vitest.
    for (const module of modules.filter((name) => !name.startsWith("testing"))) {
      const barrels = importsOf(read(module)).filter(({ specifier }) => isBarrel(module, specifier))
      assert.deepStrictEqual(barrels, [], module)
    }
    for (const barrel of ["effect", "effect/testing", "effect/persistence", "@reclose/core", "../index.ts"]) {
      assert.isTrue(isBarrel("internal/Engine.ts", barrel), barrel)
    }
  })
})

describe("the package", () => {
  const { exports, publishConfig } = JSON.parse(read("../package.json"))

  it("gives out its modules", () => {
    for (const module of modulesIn("").filter((name) => !name.includes("/"))) {
      const name = `@reclose/core/${module.slice(0, -".ts".length)}`
      assert.strictEqual(require.resolve(name), new URL(module, src).pathname)
    }
    assert.strictEqual(require.resolve("@reclose/core"), new URL("index.ts", src).pathname)
  })

  it.each([...modulesIn("machine/"), ...modulesIn("internal/"), ...modulesIn("sync/"), ...modulesIn("testing/")])(
    "keeps %s to itself",
    (module) => {
      for (const name of [module, module.slice(0, -".ts".length)]) {
        assert.throws(() => require.resolve(`@reclose/core/${name}`), /is not defined by "exports"/)
        assert.throws(() => require.resolve(`@reclose/core/src/${name}`), /Cannot find module/)
      }
    }
  )

  it("gives out the same names when it is published", () => {
    assert.deepStrictEqual(Object.keys(publishConfig.exports), Object.keys(exports))
    for (const hidden of ["./machine/*", "./internal/*"]) assert.isNull(publishConfig.exports[hidden])
  })
})
