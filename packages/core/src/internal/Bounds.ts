/**
 * Bounds of the snapshots that are read. They are far above what a breaker writes, and below what a breaker that goes on
 * counting from there could not write any more.
 */
import * as Schema from "effect/Schema"

export const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
export const millis = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

const day = 86_400_000
/** What is left of a time that a policy bounds to a day, or to seven: none lets a circuit rest, or warm up, for years. */
export const upToDays = (days: number) => millis.check(Schema.isLessThanOrEqualTo(days * day))

/** How many entries lists may have: some times what a breaker writes. */
const maxEntries: Readonly<Record<string, number>> = {
  buckets: 100,
  circuits: 10_000_000,
  measured: 1_000
}

/** The largest number that is read. It leaves a counter as many steps again until a number is no exact integer. */
const maxNumber = 2 ** 50

/** How deep lists and objects may lie in one another: some times as deep as what a breaker writes. */
const maxDepth = 100

/**
 * Returns what is wrong with the first number that is too large, or list that is too long, for input that a schema has not
 * looked at yet: it looks at the elements of a list before their number, which takes a second for some hundred thousand.
 */
export const findUnreadable = (value: unknown, path = "", depth = 0): string | undefined => {
  if (typeof value === "number" && value > maxNumber) return `${path} is ${value}, and at most ${maxNumber} is read`
  if (typeof value !== "object" || value === null) return undefined
  // Deeper ones would overflow the stack, and one that holds itself has no end.
  if (depth === maxDepth) return `${path} is nested, and at most ${maxDepth} levels are read`
  for (const [field, inner] of Object.entries(value)) {
    const at = path === "" ? field : `${path}.${field}`
    const limit = maxEntries[field]
    if (Array.isArray(inner) && limit !== undefined && inner.length > limit) {
      return `${at} has ${inner.length} entries, and at most ${limit} are read`
    }
    const found = findUnreadable(inner, at, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

/** Returns data with no number that is not read: one that was counted on from the largest that is. */
export const toReadable = (value: unknown): unknown => {
  if (typeof value === "number") return Math.min(value, maxNumber)
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map(toReadable)
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, toReadable(inner)]))
}
