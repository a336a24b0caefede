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

  /** Holds an answer; beyond the bound, the one that was held longest ago makes room. */
  set(key: string, answer: Answer<A>): void {
    this.held.delete(key)
    this.held.set(key, answer)
    const oldest = this.held.size > this.maxKeys ? this.held.keys().next() : undefined
    if (oldest?.done === false) this.held.delete(oldest.value)
  }
}
