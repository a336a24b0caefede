/**
 * Configuration as plain data, to be read like JSON.
 *
 * **Details**
 *
 * Effect's `Config` reads the fields that it is asked for. This also reads what nobody asked for, so that whoever checks
 * the data can tell of a name that is misspelt. It is what `Policy.config`, `BudgetPolicy.config` and the policies of
 * other packages are read with.
 *
 * A provider is asked for each known field by name, since one that rewrites names, as `ConfigProvider.constantCase` does,
 * can't list them under the names that a program uses. What it lists beside them, or in another shape, is taken over as it
 * stands.
 *
 * @since 0.1.0
 */
import type * as ConfigProvider from "effect/ConfigProvider"
import type * as Effect from "effect/Effect"
import { readTree } from "./internal/TreeReader.ts"

/**
 * What is known of a tree before it is read.
 *
 * @category models
 * @since 0.1.0
 */
export type Shape =
  | { readonly _tag: "Leaf" }
  | { readonly _tag: "Fields"; readonly fields: Readonly<Record<string, Shape>> }
  | { readonly _tag: "List"; readonly of: () => Shape }
  | { readonly _tag: "Record"; readonly of: Shape }

/**
 * A value without parts: a text, a number, or a yes or no.
 *
 * @category shapes
 * @since 0.1.0
 */
export const leaf: Shape = { _tag: "Leaf" }

/**
 * An object with known fields, each a leaf where it is not nested.
 *
 * **Example** (A server and its limits)
 *
 * ```ts
 * import { ConfigTree } from "@reclose/core"
 *
 * const server = ConfigTree.fields(["host", "port"], { limits: ConfigTree.fields(["requests"]) })
 *
 * server._tag // => "Fields"
 * ```
 *
 * @category shapes
 * @since 0.1.0
 */
export const fields = (names: ReadonlyArray<string>, nested: Readonly<Record<string, Shape>> = {}): Shape => ({
  _tag: "Fields",
  fields: { ...Object.fromEntries(names.map((name) => [name, leaf])), ...nested }
})

/**
 * A list of any length. The shape of its elements is asked for when there are some, so it may be the list's own.
 *
 * **Example** (A tree)
 *
 * ```ts
 * import { ConfigTree } from "@reclose/core"
 *
 * const node: ConfigTree.Shape = ConfigTree.fields(["name"], { children: ConfigTree.list(() => node) })
 *
 * node._tag // => "Fields"
 * ```
 *
 * @category shapes
 * @since 0.1.0
 */
export const list = (of: () => Shape): Shape => ({ _tag: "List", of })

/**
 * An object whose names may be any.
 *
 * **Gotchas**
 *
 * A provider that rewrites names can only list them as it has them. In environment variables, give it as JSON.
 *
 * **Example** (Limits by tenant)
 *
 * ```ts
 * import { ConfigTree } from "@reclose/core"
 *
 * const limits = ConfigTree.record(ConfigTree.fields(["requests"]))
 *
 * limits._tag // => "Record"
 * ```
 *
 * @category shapes
 * @since 0.1.0
 */
export const record = (of: Shape): Shape => ({ _tag: "Record", of })

/**
 * Reads what stands below `path` in the current `ConfigProvider`: the fields of the shape under their names, and whatever
 * else there is under the names that it has.
 *
 * **Details**
 *
 * - Nothing below `path` is `{}`.
 * - What looks like a number is one, and so are `true` and `false` no text: a provider has nothing but texts.
 * - What has parts may be given as one JSON text. In environment variables that is the only way to write a name that no
 *   variable can have.
 * - An environment variable below `path` that no field accounts for is named by what follows the path.
 *
 * **Gotchas**
 *
 * Nothing is checked. Whoever reads the tree has to, and to tell of the names that it doesn't know.
 *
 * **Example** (A name that is misspelt)
 *
 * ```ts
 * import { ConfigTree } from "@reclose/core"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromEnvRecord({
 *   SERVER_HOST: "quotes.example",
 *   SERVER_LIMITS_MAX_REQUESTS: "20",
 *   SERVER_LIMTIS_MAX_BYTES: "1000"
 * }).pipe(ConfigProvider.constantCase)
 *
 * const limits = ConfigTree.fields(["maxRequests", "maxBytes"])
 *
 * const server = await ConfigTree.read("server", ConfigTree.fields(["host"], { limits })).pipe(
 *   Effect.provideService(ConfigProvider.ConfigProvider, environment),
 *   Effect.runPromise
 * )
 *
 * server // => { host: "quotes.example", limits: { maxRequests: 20 }, LIMTIS_MAX_BYTES: 1000 }
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const read: (path: string, shape: Shape) => Effect.Effect<unknown, ConfigProvider.SourceError> = readTree
