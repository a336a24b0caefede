/**
 * Reads the fields of a policy from a `ConfigProvider` into a plain tree, which is then read like JSON.
 *
 * A provider is asked for each known field by name, since one that rewrites names, as `constantCase` does, cannot list
 * them under the names that a policy uses. What it lists beside them, or in another shape, is taken over as it stands, so
 * that the policy's reader reports it.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as EffectString from "effect/String"

/** What is known of a tree before it is read. */
export type Shape =
  | { readonly _tag: "Leaf" }
  | { readonly _tag: "Fields"; readonly fields: Readonly<Record<string, Shape>> }
  | { readonly _tag: "List"; readonly of: () => Shape }
  | { readonly _tag: "Map"; readonly of: Shape }

const leaf: Shape = { _tag: "Leaf" }

/** An object with known fields, each a leaf where it is not nested. */
export const fields = (names: ReadonlyArray<string>, nested: Readonly<Record<string, Shape>> = {}): Shape => ({
  _tag: "Fields",
  fields: { ...Object.fromEntries(names.map((name) => [name, leaf])), ...nested }
})

type Path = ReadonlyArray<string | number>
type Provider = ConfigProvider.ConfigProvider
type Read<A> = Effect.Effect<A, ConfigProvider.SourceError>

export const read = Effect.fnUntraced(function*(path: string, shape: Shape) {
  const provider = yield* ConfigProvider.ConfigProvider
  const taken = new Set<string>()
  const tree = yield* readShape(provider, [path], shape, taken)
  // An environment has no `PAYMENT_BREAKER` to list what is below it, but a `BREAKER` below `PAYMENT`.
  const words = EffectString.configCase(path).split("_")
  const beside = words.length > 1 ? yield* unaccounted(provider, words, yield* provider.load(words), taken) : []
  return beside.length === 0 ? tree ?? {} : { ...(typeof tree === "object" ? tree : {}), ...Object.fromEntries(beside) }
})

/** One name for a path however a provider spells it: `openDuration`, `OPEN_DURATION`, or `OPEN` above `DURATION`. */
const nameOf = (path: Path): string =>
  path.map((part) => typeof part === "number" ? String(part) : EffectString.configCase(part)).join("_")

/** Reads what has a known shape, and notes the names of all that it took over. */
const readShape = (provider: Provider, path: Path, shape: Shape, taken: Set<string>): Read<unknown> =>
  Effect.gen(function*() {
    const node = yield* provider.load(path)
    if (node?.value !== undefined) {
      taken.add(nameOf(path))
      const value = shape._tag === "Leaf" ? scalar(node.value) : structure(node.value)
      const beside = yield* unaccounted(provider, path, node, taken)
      return beside.length === 0 ? value : Object.fromEntries(beside)
    }
    const child = (part: string | number, of: Shape) => readShape(provider, [...path, part], of, taken)
    switch (shape._tag) {
      case "Fields": {
        if (node?._tag === "Array") return yield* readRaw(provider, path, taken)
        // Also below what the provider doesn't know: an environment has `HALF_OPEN_PERMITS`, but no `HALF_OPEN`.
        const known = yield* Effect.forEach(
          Object.entries(shape.fields),
          ([name, of]) => Effect.map(child(name, of), (value) => [name, value] as const)
        )
        const set = known.filter(([, value]) => value !== undefined)
        const beside = yield* unaccounted(provider, path, node, taken)
        return set.length + beside.length === 0 ? undefined : Object.fromEntries([...set, ...beside])
      }
      case "List":
        return node?._tag === "Array"
          ? yield* Effect.forEach(indices(node), (i) => child(i, shape.of()))
          : yield* readRaw(provider, path, taken)
      case "Map":
        return node?._tag === "Record"
          ? yield* Effect.all(Object.fromEntries([...node.keys].map((key) => // A pattern that changes nothing is still one.
          [key, Effect.map(child(key, shape.of), (value) => value ?? {})])))
          : yield* readRaw(provider, path, taken)
      case "Leaf":
        return yield* readRaw(provider, path, taken)
    }
  })

const indices = (node: Extract<ConfigProvider.Node, { readonly _tag: "Array" }>): ReadonlyArray<number> =>
  Array.from({ length: node.length }, (_, i) => i)

/** What a provider lists below a path and nothing has taken over yet. */
const unaccounted = (
  provider: Provider,
  path: Path,
  node: ConfigProvider.Node | undefined,
  taken: Set<string>
): Read<ReadonlyArray<readonly [string, unknown]>> =>
  node?._tag !== "Record" ? Effect.succeed([]) : Effect.map(
    Effect.forEach([...node.keys], (key) =>
      Effect.gen(function*() {
        const left = (yield* list(provider, [...path, key])).filter((at) => !taken.has(nameOf(at)))
        if (left.length === 0) return []
        // An environment has no structure of its own: each of its variables is one field, by the name that it has.
        if (nameOf([key]) !== key) return [[key, yield* readRaw(provider, [...path, key], taken)] as const]
        return yield* Effect.forEach(
          left,
          (at) => Effect.map(readRaw(provider, at, taken), (value) => [at.slice(path.length).join("_"), value] as const)
        )
      })),
    (found) => found.flat()
  )

/** Reads what stands at a path as it stands. */
const readRaw = (provider: Provider, path: Path, taken: Set<string>): Read<unknown> =>
  Effect.gen(function*() {
    const node = yield* provider.load(path)
    if (node === undefined) return undefined
    if (node.value !== undefined) {
      taken.add(nameOf(path))
      return scalar(node.value)
    }
    const child = (part: string | number) => readRaw(provider, [...path, part], taken)
    if (node._tag === "Array") return yield* Effect.forEach(indices(node), child)
    const keys = node._tag === "Record" ? [...node.keys] : []
    return yield* Effect.all(Object.fromEntries(keys.map((key) => [key, child(key)])))
  })

/** The paths of everything that the provider lists below a path. */
const list = (provider: Provider, path: Path): Read<ReadonlyArray<Path>> =>
  Effect.gen(function*() {
    const node = yield* provider.load(path)
    const parts = node?._tag === "Record" ? [...node.keys] : node?._tag === "Array" ? indices(node) : []
    const below = yield* Effect.forEach(parts, (part) => list(provider, [...path, part]))
    return [...(node?.value === undefined ? [] : [path]), ...below.flat()]
  })

const scalar = (text: string): unknown => text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text

/** A structured field may be given as JSON text, which is the only way to write a pattern in an environment variable. */
const structure = (text: string): unknown => {
  if (!/^\s*[{[]/.test(text)) return scalar(text)
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
