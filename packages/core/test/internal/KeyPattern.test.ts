/** Patterns over keys, against every pattern and every key that is short enough to list. */
import { assert, describe, it } from "@effect/vitest"
import { contains, intersect, matches } from "../../src/internal/KeyPattern.ts"
import { Random, seeds } from "../machine/model/random.ts"

/** Every text over an alphabet, up to a length. */
const texts = (alphabet: string, most: number): ReadonlyArray<string> =>
  most === 0 ? [""] : ["", ...texts(alphabet, most - 1).flatMap((text) => [...alphabet].map((letter) => text + letter))]

const patterns = texts("ab*", 4)

// `c` is in no pattern, so it stands for all characters that aren't. Two patterns of four characters have at most three
// letters each beside a star, so if any key is matched by both, one of six characters is.
const keys = texts("abc", 6)

/** What a pattern says, by its first character. */
const saysTheSame = (pattern: string, key: string): boolean =>
  pattern === ""
    ? key === ""
    : pattern.startsWith("*")
    ? saysTheSame(pattern.slice(1), key) || key !== "" && saysTheSame(pattern, key.slice(1))
    : key !== "" && key[0] === pattern[0] && saysTheSame(pattern.slice(1), key.slice(1))

/** The keys that a pattern matches, a bit each. */
const matched = new Map(
  patterns.map((pattern) => [
    pattern,
    BigInt(`0b${keys.map((key) => saysTheSame(pattern, key) ? "1" : "0").join("")}`)
  ])
)

const keysOf = (pattern: string): bigint => matched.get(pattern) ?? 0n

/** The pairs of patterns for which an answer is not the expected one. */
const wrongPairs = (
  answer: (a: string, b: string) => boolean,
  expected: (a: bigint, b: bigint) => boolean
): ReadonlyArray<string> =>
  patterns.flatMap((a) =>
    patterns.filter((b) => answer(a, b) !== expected(keysOf(a), keysOf(b))).map((b) => `${a} and ${b}`)
  )

describe("a pattern", () => {
  it("matches exactly the keys that it says", () => {
    const wrong = patterns.flatMap((pattern) =>
      keys.filter((key) => matches(pattern, key) !== saysTheSame(pattern, key)).map((key) => `${pattern} and ${key}`)
    )
    assert.deepStrictEqual(wrong, [])
  })

  it("contains another if it matches every key that the other does", () => {
    assert.deepStrictEqual(wrongPairs(contains, (wide, narrow) => (wide & narrow) === narrow), [])
  })

  it("intersects another if some key is matched by both", () => {
    assert.deepStrictEqual(wrongPairs(intersect, (a, b) => (a & b) !== 0n), [])
  })

  it("matches as it says also where both are long", () => {
    for (const seed of seeds(2_000)) {
      const random = new Random(seed)
      const pattern = random.list(random.between(0, 12), () => random.pick(["a", "b", "*", "ab"])).join("")
      // Made from the pattern, so that it is matched often, and then changed a little.
      const key = [...pattern].map((letter) =>
        letter === "*" ? random.pick(["", "a", "ba", "abab"]) : random.chance(0.05) ? "c" : letter
      ).join("")
      assert.strictEqual(
        matches(pattern, key),
        saysTheSame(pattern, key),
        `RECLOSE_SEED=${seed}: ${pattern} and ${key}`
      )
    }
  })

  it.each<[string, string]>([
    ["a.c", "abc"],
    ["[ab]", "a"],
    ["a+", "aa"],
    ["a?", "a"],
    ["(a|b)", "a"],
    ["^a$", "a"],
    ["A", "a"],
    ["a\\*", "a*"]
  ])("%s stands for itself, and does not match %s", (pattern, key) => {
    assert.isFalse(matches(pattern, key))
    assert.isTrue(matches(pattern.replaceAll("*", ""), pattern.replaceAll("*", "")))
  })

  it("matches keys of every kind of character", () => {
    assert.isTrue(matches("GET https://*/v1?q=*", "GET https://api.example/v1?q=ä*🙂"))
    assert.isTrue(matches("*🙂", "a🙂"))
    assert.isFalse(matches("*🙂", "a🙃"))
    assert.isTrue(matches("a*", "a*b"), "a star in a key is a character like any other")
  })

  it("is read in time that does not explode with its stars", () => {
    const most = 512
    assert.isFalse(matches("*a".repeat(most / 2 - 1) + "*b", "a".repeat(most)))
    assert.isFalse(intersect("*a".repeat(most / 2 - 1) + "b", "*a".repeat(most / 2)))
    assert.isTrue(contains("*a".repeat(most / 2), "a*".repeat(most / 2 - 1) + "*a*a"))
  })
})
