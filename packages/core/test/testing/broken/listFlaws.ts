/** Stores that list wrongly. */
import { Effect, Stream } from "effect"
import { lists, listsAll, listsEmpty, listsNothing, listsSome } from "./cases.ts"
import { type Flaw } from "./World.ts"

export const listFlaws: ReadonlyArray<Flaw> = [
  {
    name: "lists all keys, whatever the prefix",
    make: ({ held }) => ({ list: () => Stream.suspend(() => Stream.fromIterable([...held.keys()])) }),
    found: [lists]
  },
  {
    name: "takes a prefix for a pattern",
    make: ({ held }) => ({
      list: (prefix) =>
        Stream.suspend(() => {
          const pattern = new RegExp(`^${prefix.replaceAll(/[{}()|+.^$\\[\]]/g, "\\$&").replaceAll("*", ".*")}`)
          return Stream.fromIterable([...held.keys()].filter((key) => pattern.test(key)))
        })
    }),
    found: [lists]
  },
  {
    name: "lists keys in any case",
    make: ({ held }) => ({
      list: (prefix) =>
        Stream.suspend(() =>
          Stream.fromIterable([...held.keys()].filter((key) => key.toLowerCase().startsWith(prefix.toLowerCase())))
        )
    }),
    found: [lists]
  },
  {
    name: "lists the first page",
    make: (_, right) => ({ list: (prefix) => Stream.take(right.list(prefix), 100) }),
    found: [listsAll, listsSome]
  },
  {
    name: "lists keys that were only read",
    make: (_, right) => {
      const known = new Set<string>()
      return {
        read: (key) => Effect.tap(right.read(key), () => Effect.sync(() => known.add(key))),
        list: (prefix) => Stream.suspend(() => Stream.fromIterable([...known].filter((key) => key.startsWith(prefix))))
      }
    },
    found: [listsNothing]
  },
  {
    name: "lists nothing for an empty prefix",
    make: (_, right) => ({ list: (prefix) => prefix === "" ? Stream.empty : right.list(prefix) }),
    found: [listsEmpty]
  },
  {
    name: "can't stop listing",
    make: (_, right) => ({ list: (prefix) => Stream.ensuring(right.list(prefix), Effect.never) }),
    found: [listsSome, lists, listsEmpty]
  }
]
