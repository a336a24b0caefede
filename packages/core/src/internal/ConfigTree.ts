/**
 * Reads a policy's fields from a `ConfigProvider` into a plain tree, which is then read like JSON.
 *
 * A provider is asked for each known field by name, since one that rewrites names, as `constantCase` does, cannot list
 * them under the names that a policy uses. Whatever the provider lists that no field accounts for is kept in the tree,
 * so that the policy's reader reports it.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as EffectString from "effect/String"
import { breakerFields, halfOpenFields, keyFields } from "./PolicyReader.ts"
import { ruleFields } from "./RuleReader.ts"

type Shape =
  | { readonly _tag: "Leaf" }
  | { readonly _tag: "Fields"; readonly fields: Readonly<Record<string, Shape>> }
  | { readonly _tag: "List"; readonly of: () => Shape }
  | { readonly _tag: "Map"; readonly of: Shape }

const leaf: Shape = { _tag: "Leaf" }

const fields = (names: ReadonlyArray<string>, nested: Readonly<Record<string, Shape>> = {}): Shape => ({
  _tag: "Fields",
  fields: { ...Object.fromEntries(names.map((name) => [name, leaf])), ...nested }
})

const rule: Shape = fields(["_tag", ...Object.values(ruleFields).flatMap((options) => Object.keys(options))], {
  rules: { _tag: "List", of: () => rule }
})

const keyPolicy = {
  ...Object.fromEntries(Object.keys(keyFields).map((name) => [name, leaf])),
  tripRule: rule,
  openDuration: fields(["initial", "factor"]),
  halfOpen: fields(Object.keys(halfOpenFields))
}

const policy: Shape = fields(Object.keys(breakerFields), {
  ...keyPolicy,
  keys: { _tag: "Map", of: fields([], keyPolicy) }
})

type Path = ReadonlyArray<string | number>

export const read = Effect.fnUntraced(function*(path: string) {
  const provider = yield* ConfigProvider.ConfigProvider
  const found = new Set<string>()
  const tree = yield* readNode(provider, [path], policy, found)
  const unknown = (yield* list(provider, [path])).filter((at) => !found.has(nameOf(at)))
  return unknown.length === 0
    ? tree ?? {}
    : { ...(isRecord(tree) ? tree : {}), ...Object.fromEntries(unknown.map((at) => [at.slice(1).join("."), "set"])) }
})

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null

/** One name for a path however a provider spells it: `openDuration`, `OPEN_DURATION`, or `OPEN` above `DURATION`. */
const nameOf = (path: Path): string =>
  path.map((part) => typeof part === "number" ? String(part) : EffectString.configCase(part)).join("_")

const readNode = (
  provider: ConfigProvider.ConfigProvider,
  path: Path,
  shape: Shape,
  found: Set<string>
): Effect.Effect<unknown, ConfigProvider.SourceError> =>
  Effect.gen(function*() {
    const node = yield* provider.load(path)
    if (node?.value !== undefined) {
      found.add(nameOf(path))
      return shape._tag === "Leaf" ? scalar(node.value) : structure(node.value)
    }
    const child = (part: string | number, of: Shape) => readNode(provider, [...path, part], of, found)
    switch (shape._tag) {
      case "Leaf":
        return undefined
      case "Fields": {
        // Also below what the provider doesn't know: an environment has `HALF_OPEN_PERMITS`, but no `HALF_OPEN`.
        const entries = yield* Effect.forEach(
          Object.entries(shape.fields),
          ([name, of]) => Effect.map(child(name, of), (value) => [name, value] as const)
        )
        const set = entries.filter(([, value]) => value !== undefined)
        return set.length === 0 ? undefined : Object.fromEntries(set)
      }
      case "List":
        return node?._tag === "Array"
          ? yield* Effect.forEach(Array.from({ length: node.length }, (_, i) => i), (i) => child(i, shape.of()))
          : undefined
      case "Map":
        return node?._tag === "Record"
          ? yield* Effect.all(Object.fromEntries([...node.keys].map((key) => [key, child(key, shape.of)])))
          : undefined
    }
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

/** The paths of everything that the provider lists below a path. */
const list = (
  provider: ConfigProvider.ConfigProvider,
  path: Path
): Effect.Effect<ReadonlyArray<Path>, ConfigProvider.SourceError> =>
  Effect.gen(function*() {
    const node = yield* provider.load(path)
    if (node === undefined) return []
    const parts = node._tag === "Record"
      ? [...node.keys]
      : node._tag === "Array"
      ? Array.from({ length: node.length }, (_, i) => i)
      : []
    const below = yield* Effect.forEach(parts, (part) => list(provider, [...path, part]))
    return [...(node.value === undefined ? [] : [path]), ...below.flat()]
  })
