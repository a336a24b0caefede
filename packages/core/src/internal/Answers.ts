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

/** A key whose answer was forgotten, and when. */
interface Forgotten {
  readonly at: number
}

export const maxKeys = Reader.field(Reader.integer(1, 10_000_000), 1000)

/** The latest answer of each key, bounded. Time is monotonic: no step of the wall clock changes how old an answer is. */
export class Answers<A> {
  private readonly maxKeys: number
  private readonly clock: Clock.Clock
  private readonly time = new CircuitTime()
  private readonly held = new Map<string, Held<A>>()
  /** Keys that are forgotten here while a store may still hold an answer. */
  private readonly forgotten = new Map<string, Forgotten>()
  /** When the latest key was forgotten that is no longer noted. */
  private forgottenUntil = -Infinity

  constructor(maxKeys: number, clock: Clock.Clock) {
    this.maxKeys = maxKeys
    this.clock = clock
  }

  /** Returns what stands for the latest change of a key: one object for each answer, whatever its value. */
  mark(key: string): object | undefined {
    return this.held.get(key) ?? this.forgotten.get(key)
  }

  get(key: string): Answer<A> | undefined {
    const held = this.held.get(key)
    return held && { value: held.value, age: this.now() - held.at }
  }

  /** Holds an answer. Returns the key that was evicted for it: the one whose answer was held longest ago. */
  set(key: string, value: A): string | undefined {
    this.forgotten.delete(key)
    this.held.delete(key)
    this.held.set(key, { value, at: this.now() })
    if (this.held.size <= this.maxKeys) return undefined
    const [oldest] = this.held.keys()
    if (oldest !== undefined) this.held.delete(oldest)
    return oldest
  }

  delete(key: string): void {
    this.held.delete(key)
  }

  /** Deletes an answer and notes that. Returns the key whose note was evicted for it. */
  forget(key: string): string | undefined {
    this.held.delete(key)
    this.forgotten.delete(key)
    this.forgotten.set(key, { at: this.now() })
    if (this.forgotten.size <= this.maxKeys) return undefined
    const [oldest] = this.forgotten
    if (oldest === undefined) return undefined
    this.forgotten.delete(oldest[0])
    this.forgottenUntil = oldest[1].at
    return oldest[0]
  }

  /** Deletes the note, unless the key has changed since `mark`. */
  settle(key: string, mark: object): void {
    if (this.forgotten.get(key) === mark) this.forgotten.delete(key)
  }

  /** Returns how many milliseconds ago the key was forgotten; `undefined` if that is not noted. */
  forgottenFor(key: string): number | undefined {
    const forgotten = this.forgotten.get(key)
    return forgotten && this.now() - forgotten.at
  }

  /** Whether an answer of another origin may be one that was forgotten here, and whose note was evicted. */
  mayBeForgotten(age: number): boolean {
    return this.now() - age <= this.forgottenUntil
  }

  private now(): number {
    return this.time.at(Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000)
  }
}
