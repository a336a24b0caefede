/**
 * Reads a tree from a `ConfigProvider`: what is known of it by name, and then what the provider lists beside that.
 *
 * Nothing is taken for unknown before all known names have been asked for, since one variable may belong to several paths.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as EffectString from "effect/String"
import type { Shape } from "../ConfigTree.ts"

export const readTree = (path: string, shape: Shape): Effect.Effect<unknown, ConfigProvider.SourceError> =>
  Effect.gen(function*() {
    const provider = yield* ConfigProvider.ConfigProvider
    const listed = new Set((yield* pathsBelow(provider, [path])).map(spell))
    const reading: Reading = { provider, listed, taken: new Map() }
    yield* note(reading, [path], shape)
    const tree = yield* readShape(reading, [path], shape)
    // An environment has no `PAYMENT_BREAKER` to list what is below it, but a `BREAKER` below `PAYMENT`.
    const words = wordsOf([path])
    const beside = words.length > 1 ? yield* unaccounted(reading, words, yield* provider.load(words)) : []
    return beside.length === 0
      ? tree ?? {}
      : { ...(typeof tree === "object" ? tree : {}), ...Object.fromEntries(beside) }
  })

type Path = ReadonlyArray<string | number>
type Read<A> = Effect.Effect<A, ConfigProvider.SourceError>

interface Reading {
  readonly provider: ConfigProvider.ConfigProvider
  /** Every path that the provider lists, spelled. */
  readonly listed: ReadonlySet<string>
  /** What was taken over, by its name: the path under which it was read, spelled. */
  readonly taken: Map<string, string>
}

/** One name for a path however a provider spells it: `openDuration`, `OPEN_DURATION`, or `OPEN` above `DURATION`. */
const nameOf = (path: Path): string =>
  path.map((part) => typeof part === "number" ? String(part) : EffectString.configCase(part)).join("_")

const spell = (path: Path): string => JSON.stringify(path)

const take = ({ taken }: Reading, path: Path): void => {
  taken.set(nameOf(path), spell(path))
}

/** Whether something listed has been taken over: it, and not another spelling of it beside it. */
const isTaken = ({ listed, taken }: Reading, path: Path): boolean => {
  const read = taken.get(nameOf(path))
  return read !== undefined && (read === spell(path) || !listed.has(read))
}

/** The path with its names in words, one part each, as an environment lists what is below it. */
const wordsOf = (path: Path): Path =>
  path.flatMap((part) => {
    const words = typeof part === "number" ? [part] : EffectString.configCase(part).split("_")
    return words.length > 1 ? words : [part]
  })

/** Notes what stands under known names, before anything is taken for unknown: `WAIT_MAX` may be no part of a `WAIT`. */
const note = (reading: Reading, path: Path, shape: Shape): Read<void> =>
  Effect.gen(function*() {
    const node = yield* reading.provider.load(path)
    if (node?.value !== undefined) return take(reading, path)
    if (shape._tag !== "Fields") return
    for (const [name, of] of Object.entries(shape.fields)) yield* note(reading, [...path, name], of)
  })

/** Reads what has a known shape. */
const readShape = (reading: Reading, path: Path, shape: Shape): Read<unknown> =>
  Effect.gen(function*() {
    const node = yield* reading.provider.load(path)
    if (node?.value !== undefined) {
      const value = shape._tag === "Leaf" ? scalar(node.value) : structure(node.value)
      const beside = yield* unaccounted(reading, path, node)
      return beside.length === 0 ? value : Object.fromEntries(beside)
    }
    switch (shape._tag) {
      case "Fields": {
        if (node?._tag === "Array") return yield* readRaw(reading, path)
        // Also below what the provider doesn't know: an environment has `HALF_OPEN_PERMITS`, but no `HALF_OPEN`.
        const known = yield* Effect.forEach(
          Object.entries(shape.fields),
          ([name, of]) => Effect.map(readShape(reading, [...path, name], of), (value) => [name, value] as const)
        )
        const set = known.filter(([, value]) => value !== undefined)
        const beside = yield* unaccounted(reading, path, node)
        return set.length + beside.length === 0 ? undefined : Object.fromEntries([...set, ...beside])
      }
      case "List": {
        const at = node === undefined ? wordsOf(path) : path
        const listed = node ?? (yield* reading.provider.load(at))
        return listed?._tag === "Array"
          ? yield* Effect.forEach(indices(listed), (i) => readElement(reading, [...at, i], shape.of()))
          : yield* readRaw(reading, path)
      }
      case "Record":
        return node?._tag === "Record"
          ? yield* Effect.all(Object.fromEntries([...node.keys].map((key) => [
            key,
            Effect.map(readElement(reading, [...path, key], shape.of), (value) => value ?? empty(shape.of))
          ])))
          : yield* readRaw(reading, path)
      case "Leaf": {
        if (node?._tag !== "Record") return yield* readRaw(reading, path)
        const beside = yield* unaccounted(reading, path, node)
        // All that is listed below it may be of fields whose names begin like this one's.
        const isOfOthers = beside.length === 0 && (yield* pathsBelow(reading.provider, path)).length > 0
        return isOfOthers ? undefined : Object.fromEntries(beside)
      }
    }
  })

/** Reads what no name is known of before it is read. */
const readElement = (reading: Reading, path: Path, shape: Shape): Read<unknown> =>
  Effect.andThen(note(reading, path, shape), readShape(reading, path, shape))

/** A name that has no fields is there all the same: a policy's pattern that changes nothing is still one. */
const empty = (shape: Shape): unknown => shape._tag === "Leaf" ? undefined : {}

const indices = (node: Extract<ConfigProvider.Node, { readonly _tag: "Array" }>): ReadonlyArray<number> =>
  Array.from({ length: node.length }, (_, i) => i)

/** What a provider lists below a path and nothing has taken over yet. */
const unaccounted = (
  reading: Reading,
  path: Path,
  node: ConfigProvider.Node | undefined
): Read<ReadonlyArray<readonly [string, unknown]>> =>
  node?._tag !== "Record" ? Effect.succeed([]) : Effect.map(
    Effect.forEach([...node.keys], (key) =>
      Effect.gen(function*() {
        const left = (yield* pathsBelow(reading.provider, [...path, key])).filter((at) => !isTaken(reading, at))
        if (left.length === 0) return []
        // An environment has no structure of its own: each of its variables is one field, by the name that it has.
        if (nameOf([key]) !== key) return [[key, yield* readRaw(reading, [...path, key])] as const]
        return yield* Effect.forEach(
          left,
          (at) => Effect.map(readRaw(reading, at), (value) => [at.slice(path.length).join("_"), value] as const)
        )
      })),
    (found) => found.flat()
  )

/** Reads what stands at a path as it stands. */
const readRaw = (reading: Reading, path: Path): Read<unknown> =>
  Effect.gen(function*() {
    const node = yield* reading.provider.load(path)
    if (node === undefined) return undefined
    if (node.value !== undefined) {
      take(reading, path)
      return scalar(node.value)
    }
    const child = (part: string | number) => readRaw(reading, [...path, part])
    if (node._tag === "Array") return yield* Effect.forEach(indices(node), child)
    const keys = node._tag === "Record" ? [...node.keys] : []
    return yield* Effect.all(Object.fromEntries(keys.map((key) => [key, child(key)])))
  })

/** The paths of everything that the provider lists below a path. */
const pathsBelow = (provider: ConfigProvider.ConfigProvider, path: Path): Read<ReadonlyArray<Path>> =>
  Effect.gen(function*() {
    const node = yield* provider.load(path)
    const parts = node?._tag === "Record" ? [...node.keys] : node?._tag === "Array" ? indices(node) : []
    const below = yield* Effect.forEach(parts, (part) => pathsBelow(provider, [...path, part]))
    return [...(node?.value === undefined ? [] : [path]), ...below.flat()]
  })

const scalar = (text: string): unknown => {
  const trimmed = text.trim()
  if (trimmed === "true" || trimmed === "false") return trimmed === "true"
  return trimmed !== "" && Number.isFinite(Number(trimmed)) ? Number(trimmed) : text
}

/** A structured field may be given as JSON text, which is the only way to write some names in an environment. */
const structure = (text: string): unknown => {
  if (!/^\s*[{[]/.test(text)) return scalar(text)
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
