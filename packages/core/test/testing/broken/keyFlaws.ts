/** Stores that take a key for another. */
import { Effect } from "effect"
import { apart, longKeys, shortKey } from "./cases.ts"
import { failed, type Flaw, renamed } from "./World.ts"

export const keyFlaws: ReadonlyArray<Flaw> = [
  { name: "takes keys in lower case", make: renamed((key) => key.toLowerCase()), found: [apart] },
  { name: "trims keys", make: renamed((key) => key.trim()), found: [apart] },
  { name: "normalizes keys", make: renamed((key) => key.normalize("NFC")), found: [apart] },
  { name: "decodes keys", make: renamed((key) => decodeURIComponent(key.replace(/%(?!20)/g, "%25"))), found: [apart] },
  {
    name: "takes what is in braces for the key",
    make: renamed((key) => /\{(.+?)\}/.exec(key)?.[1] ?? key),
    found: [apart]
  },
  { name: "cuts keys at 500 characters", make: renamed((key) => key.slice(0, 500)), found: [longKeys] },
  {
    name: "refuses keys of more than 1,024 bytes",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        Buffer.byteLength(key) > 1024 ? Effect.fail(failed(key, "replace")) : right.replace(key, seen, next)
    }),
    found: [longKeys]
  },
  {
    name: "refuses short keys",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        key.length < 3 ? Effect.fail(failed(key, "replace")) : right.replace(key, seen, next)
    }),
    found: [shortKey]
  }
]
