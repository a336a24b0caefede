/** A window of time held to a plain list of all that was recorded, and when. */
import { assert, describe, it } from "@effect/vitest"
import { type Bucket, bucketCount, TimeWindow } from "../../src/machine/TimeWindow.ts"
import { Random, seedsUpTo } from "./model/random.ts"

interface Recorded {
  readonly at: number
  readonly hit: boolean
}

// Tenths that are whole, and tenths that are halves: both are kept exactly, so nothing here needs a tolerance.
const spans = [10, 15, 50, 100, 1_000, 30_000, 86_400_000]

const bucketOf = (span: number, at: number): number => Math.floor(at / (span / bucketCount))

/** "An outcome leaves when its bucket is ten buckets old." */
const held = (all: ReadonlyArray<Recorded>, span: number, now: number): ReadonlyArray<Recorded> =>
  all.filter(({ at }) => bucketOf(span, now) - bucketOf(span, at) < bucketCount)

const buckets = (all: ReadonlyArray<Recorded>, span: number, now: number): ReadonlyArray<Bucket> => {
  const within = held(all, span, now)
  const numbers = [...new Set(within.map(({ at }) => bucketOf(span, at)))].sort((one, other) => one - other)
  return numbers.map((number) => {
    const inside = within.filter(({ at }) => bucketOf(span, at) === number)
    const age = now - number * (span / bucketCount)
    return { age, calls: inside.length, hits: inside.filter(({ hit }) => hit).length }
  })
}

const agrees = (window: TimeWindow, all: ReadonlyArray<Recorded>, now: number, about: string): void => {
  window.advance(now)
  const within = held(all, window.span, now)
  assert.strictEqual(window.calls, within.length, `calls ${about}`)
  assert.strictEqual(window.hits, within.filter(({ hit }) => hit).length, `hits ${about}`)
  assert.deepStrictEqual(window.buckets(now), buckets(all, window.span, now), `buckets ${about}`)
}

const pause = (random: Random, span: number, now: number): number => {
  const width = span / bucketCount
  return random.weighted([
    [4, () => 0],
    [4, () => random.between(0, Math.ceil(width))],
    [2, () => random.between(0, span)],
    // To the very beginning of the next bucket, or of the one that pushes everything out.
    [2, () => (bucketOf(span, now) + 1) * width - now],
    [1, () => (bucketOf(span, now) + bucketCount) * width - now],
    [1, () => (bucketOf(span, now) + bucketCount) * width - now - 0.5],
    [0.5, () => span * 1_000_000]
  ])
}

describe("a window of time", () => {
  for (const span of spans) {
    it(`of ${span} ms holds what its ten buckets hold, whenever it is asked`, () => {
      for (const seed of seedsUpTo(60)) {
        const random = new Random(seed * 1_000 + span)
        const window = new TimeWindow(span)
        const all: Array<Recorded> = []
        let now = random.pick([0, 1_000_000, -span * 3, 12_345.5])
        agrees(window, all, now, "when new")
        for (let step = 1; step <= 80; step++) {
          now += pause(random, span, now)
          // A window that is read in between must come to the same as one that is not.
          if (random.chance(0.5)) agrees(window, all, now, `before ${step} of seed ${seed}`)
          const hit = random.chance(0.5)
          window.add(hit, now)
          all.push({ at: now, hit })
          if (random.chance(0.5)) agrees(window, all, now, `after ${step} of seed ${seed}`)
        }
      }
    })

    it(`of ${span} ms gives every bucket to a window of any span, to where the bucket's beginning falls`, () => {
      for (const other of spans) {
        for (const seed of seedsUpTo(20)) {
          const random = new Random(seed * 1_000 + span)
          const window = new TimeWindow(span)
          const all: Array<Recorded> = []
          let now = random.pick([0, 1_000_000, -span * 3, 12_345.5])
          for (let step = 1; step <= 20; step++) {
            now += Math.min(pause(random, span, now), span / 4)
            const hit = random.chance(0.5)
            window.add(hit, now)
            all.push({ at: now, hit })
          }
          const begun = held(all, span, now).map(({ at, hit }) => ({
            at: bucketOf(span, at) * (span / bucketCount),
            hit
          }))
          const next = new TimeWindow(other)
          next.restore(window.buckets(now), now)
          agrees(next, begun, now, `in ${other} ms of seed ${seed}`)
          now += random.between(0, other)
          agrees(next, begun, now, `later in ${other} ms of seed ${seed}`)
        }
      }
    })
  }

  it("is emptied by any silence, and is as good as new then", () => {
    const window = new TimeWindow(1_000)
    let now = 0
    for (const silence of [1_000, 1_100, 60_000, 1e9, 1e12]) {
      window.add(true, now)
      window.add(false, now)
      assert.deepStrictEqual([window.calls, window.hits], [2, 1])
      now += silence
      window.advance(now)
      assert.deepStrictEqual([window.calls, window.hits, window.buckets(now)], [0, 0, []])
    }
  })

  it("keeps an outcome for nine tenths of its span at least, and for all of it at most", () => {
    for (const at of [0, 1, 50, 99, 99.5]) {
      const window = new TimeWindow(1_000)
      window.add(true, at)
      window.advance(at + 900)
      assert.strictEqual(window.hits, 1, `recorded at ${at}`)
      window.advance(at + 1_000)
      assert.strictEqual(window.hits, 0, `recorded at ${at}`)
    }
  })

  // An update to the same span has to leave everything where it is, and it does for spans of whole tenths.
  const survives = (span: number, at: number): boolean => {
    const window = new TimeWindow(span)
    const now = at + span / 2
    window.add(true, at)
    const again = new TimeWindow(span)
    again.restore(window.buckets(now), now)
    return JSON.stringify(again.buckets(now)) === JSON.stringify(window.buckets(now))
  }

  it("is the same again when it is restored from its own buckets at any fraction of a millisecond", () => {
    for (const seed of seedsUpTo(500)) {
      const random = new Random(seed)
      const span = random.between(1, 10_000) * 10
      const at = random.next() * random.pick([1_000, 1e6, 1e9])
      assert.isTrue(survives(span, at), `a span of ${span} ms at ${at}`)
    }
  })

  it("is the same again when it is restored, also where a tenth of its span is no exact number", () => {
    for (const seed of seedsUpTo(500)) {
      const random = new Random(seed)
      const span = random.between(10, 100_000)
      const at = random.between(0, 1e9)
      assert.isTrue(survives(span, at), `a span of ${span} ms at ${at}`)
    }
  })
})
