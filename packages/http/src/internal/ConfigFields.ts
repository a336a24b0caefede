/**
 * Reads fields from a `ConfigProvider` into a plain tree, which is then read like JSON.
 *
 * A provider is asked for each known field by name: one that rewrites names, as `constantCase` does, can't list them under
 * the names that a policy uses. What it lists beside them is taken over as it stands, so that it is reported.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as EffectString from "effect/String"

/** The names of fields, and of the fields below them; undefined for what has no fields of its own. */
export interface Fields {
  readonly [name: string]: Fields | undefined
}

type Path = ReadonlyArray<string | number>
type Read = Effect.Effect<unknown, ConfigProvider.SourceError>

export const readFields = (path: string, fields: Fields): Read =>
  Effect.flatMap(ConfigProvider.ConfigProvider, (provider) => read(provider, [path], fields))

const read = (provider: ConfigProvider.ConfigProvider, path: Path, fields: Fields | undefined): Read =>
  Effect.gen(function*() {
    const node = yield* provider.load(path)
    if (node?.value !== undefined) return plain(node.value)
    const listed = node?._tag === "Record" ? [...node.keys] : []
    if (node?._tag === "Array") {
      return yield* Effect.forEach(
        Array.from({ length: node.length }),
        (_, i) => read(provider, [...path, i], undefined)
      )
    }
    const known = Object.keys(fields ?? {})
    const names = new Set([...known, ...listed.filter((name) => isField(name, known))])
    const entries = yield* Effect.forEach(
      names,
      (name) => Effect.map(read(provider, [...path, name], fields?.[name]), (value) => [name, value] as const)
    )
    const found = entries.filter(([, value]) => value !== undefined)
    return found.length === 0 ? undefined : Object.fromEntries(found)
  })

/**
 * Whether a listed name is one of its own, and not the beginning of a known one: an environment lists `TIME_LIMITS_BODY` as
 * `TIME`, then `LIMITS`, then `BODY`.
 */
const isField = (name: string, known: ReadonlyArray<string>): boolean =>
  !known.some((field) => {
    const words = EffectString.configCase(field)
    const listed = EffectString.configCase(name)
    return words === listed || words.startsWith(`${listed}_`)
  })

/** Numbers, yes and no, and JSON, which all are texts here. */
const plain = (text: string): unknown => {
  const trimmed = text.trim()
  if (trimmed === "true" || trimmed === "false") return trimmed === "true"
  if (trimmed !== "" && Number.isFinite(Number(trimmed))) return Number(trimmed)
  if (!/^[{[]/.test(trimmed)) return text
  try {
    return JSON.parse(trimmed)
  } catch {
    return text
  }
}
