/**
 * Patterns over keys: `*` stands for any run of characters, everything else for itself.
 *
 * Two patterns may both match a key only if one of them matches everything the other does. Then the narrower one rules,
 * and which one rules never depends on the order they were written in.
 */

/** Whether a pattern matches a key. */
export const matches = (pattern: string, key: string): boolean => {
  // The classic walk with one point to come back to: linear for the patterns people write, and never exponential.
  let p = 0
  let k = 0
  let star = -1
  let resume = 0
  while (k < key.length) {
    if (pattern[p] === "*") {
      star = p++
      resume = k
    } else if (pattern[p] === key[k]) {
      p++
      k++
    } else if (star >= 0) {
      p = star + 1
      k = ++resume
    } else {
      return false
    }
  }
  while (pattern[p] === "*") p++
  return p === pattern.length
}

/**
 * Whether `wide` matches every key that `narrow` does. A star of the narrow one may stand for a character that occurs
 * in neither, which only a star of the wide one can match: so it is enough that `wide` matches the text of `narrow`.
 */
export const contains = (wide: string, narrow: string): boolean => matches(wide, narrow.replaceAll("*", "\u0000"))

/** Whether some key is matched by both. */
export const intersect = (a: string, b: string): boolean => {
  // reachable[j]: the rest of `a` from i and the rest of `b` from j can match a common text. Beyond an end nothing can.
  let below: ReadonlyArray<boolean> = []
  for (let i = a.length; i >= 0; i--) {
    const reachable: Array<boolean> = []
    for (let j = b.length; j >= 0; j--) {
      reachable[j] = i === a.length && j === b.length ||
        (a[i] === "*" || b[j] === "*") && (below[j] === true || reachable[j + 1] === true) ||
        a[i] === b[j] && below[j + 1] === true
    }
    below = reachable
  }
  return below[0] === true
}
