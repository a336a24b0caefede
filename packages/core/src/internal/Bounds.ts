/**
 * Bounds of the snapshots that are read. They are far above what a breaker writes, and below what a breaker that goes on
 * counting from there could not write any more.
 */
import * as Schema from "effect/Schema"

export const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
export const millis = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

/** How many entries lists may have: some times what a breaker writes. */
const maxEntries: Readonly<Record<string, number>> = {
  buckets: 100,
  circuits: 10_000_000,
  measured: 1_000
}

/** The largest number that is read. It leaves a counter as many steps again until a number is no exact integer. */
const maxNumber = 2 ** 50

/**
 * Returns what is wrong with the first number that is too large, or list that is too long, for input that a schema has not
 * looked at yet: it looks at the elements of a list before their number, which takes a second for some hundred thousand.
 */
export const findUnreadable = (value: unknown, path = ""): string | undefined => {
  if (typeof value === "number" && value > maxNumber) return `${path} is ${value}, and at most ${maxNumber} is read`
  if (typeof value !== "object" || value === null) return undefined
  for (const [field, inner] of Object.entries(value)) {
    const at = path === "" ? field : `${path}.${field}`
    const limit = maxEntries[field]
    if (Array.isArray(inner) && limit !== undefined && inner.length > limit) {
      return `${at} has ${inner.length} entries, and at most ${limit} are read`
    }
    const found = findUnreadable(inner, at)
    if (found !== undefined) return found
  }
  return undefined
}
