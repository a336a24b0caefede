/** Random choices that a seed repeats. */

export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed | 0
  }

  /** A number from 0 to below 1, by mulberry32. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** A whole number between both, either included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  chance(share: number): boolean {
    return this.next() < share
  }

  pick<A>(from: ReadonlyArray<A>): A {
    // Never out of range: the list is not empty, and `between` stays within it.
    return from[this.between(0, from.length - 1)] as A
  }

  /** One of the choices, each as likely as its weight says. */
  weighted<A>(choices: ReadonlyArray<readonly [weight: number, make: () => A]>): A {
    let left = this.next() * choices.reduce((sum, [weight]) => sum + weight, 0)
    const chosen = choices.find(([weight]) => (left -= weight) < 0) ?? choices[0]
    if (chosen === undefined) throw new Error("nothing to choose from")
    return chosen[1]()
  }

  list<A>(length: number, make: (index: number) => A): Array<A> {
    return Array.from({ length }, (_, index) => make(index))
  }
}

const read = (name: string): number | undefined => {
  const text = process.env[name]
  return text === undefined || text === "" ? undefined : Number(text)
}

/**
 * The seeds of a run. Without `RECLOSE_SEED` they are always the same, so that a red build is red again; with it, that
 * one sequence is replayed, or as many as `RECLOSE_RUNS` from there on.
 */
export const seeds = (runs: number): ReadonlyArray<number> => {
  const first = read("RECLOSE_SEED")
  const length = read("RECLOSE_RUNS") ?? (first === undefined ? runs : 1)
  return Array.from({ length }, (_, index) => (first ?? 1) + index)
}

/** The seeds of a test that is quick enough to need no replay of its own. */
export const seedsUpTo = (last: number): ReadonlyArray<number> => Array.from({ length: last }, (_, index) => index + 1)

/** How many events each sequence has. */
export const steps = (usual: number): number => read("RECLOSE_STEPS") ?? usual
