/** The latest good answer of each key, in memory, bounded. */

export interface Answer<A> {
  readonly value: A
  /** Monotonic milliseconds: a step of the wall clock doesn't change how old an answer is. */
  readonly at: number
}

export class Answers<A> {
  private readonly maxKeys: number
  private readonly held = new Map<string, Answer<A>>()

  constructor(maxKeys: number) {
    this.maxKeys = maxKeys
  }

  get(key: string): Answer<A> | undefined {
    return this.held.get(key)
  }

  /** Holds an answer. Beyond the bound, the one that was held longest ago makes room, and its key is answered. */
  set(key: string, answer: Answer<A>): string | undefined {
    this.held.delete(key)
    this.held.set(key, answer)
    if (this.held.size <= this.maxKeys) return undefined
    const [oldest] = this.held.keys()
    if (oldest !== undefined) this.held.delete(oldest)
    return oldest
  }
}
