import type * as Clock from "effect/Clock"
import { CircuitTime } from "../machine/CircuitTime.ts"
import * as Reader from "./Reader.ts"

/** An answer, and for how many milliseconds it has been remembered. */
export interface Answer<A> {
  readonly value: A
  readonly age: number
}

interface Held<A> {
  readonly value: A
  readonly at: number
}

export const maxKeys = Reader.field(Reader.integer(1, 10_000_000), 1000)

/** The latest answer of each key, bounded. Time is monotonic: no step of the wall clock changes how old an answer is. */
export class Answers<A> {
  private readonly maxKeys: number
  private readonly clock: Clock.Clock
  private readonly time = new CircuitTime()
  private readonly held = new Map<string, Held<A>>()

  constructor(maxKeys: number, clock: Clock.Clock) {
    this.maxKeys = maxKeys
    this.clock = clock
  }

  /** What stands for the latest answer of a key: one object for each answer, whatever its value. */
  mark(key: string): object | undefined {
    return this.held.get(key)
  }

  get(key: string): Answer<A> | undefined {
    const held = this.held.get(key)
    return held && { value: held.value, age: this.now() - held.at }
  }

  /** Holds an answer. Beyond the bound, the one that was held longest ago makes room, and its key is answered. */
  set(key: string, value: A): string | undefined {
    this.held.delete(key)
    this.held.set(key, { value, at: this.now() })
    if (this.held.size <= this.maxKeys) return undefined
    const [oldest] = this.held.keys()
    if (oldest !== undefined) this.held.delete(oldest)
    return oldest
  }

  private now(): number {
    return this.time.at(Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000)
  }
}
