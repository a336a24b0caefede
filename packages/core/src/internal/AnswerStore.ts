/**
 * Answers in a store that may be slow, hang or fail. Nobody waits for a write; a reader waits for a bounded time.
 *
 * What is asked of the store runs in fibers of its own, since a store may not let itself be interrupted. Each of them is
 * counted until it has really ended, so that a store that hangs holds a bounded number of them.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { publish } from "./FallbackBus.ts"
import { inTime } from "./inTime.ts"

/** How many writes are under way at once. */
const maxWrites = 4
/** How many keys are read at once. */
const maxReads = 1000

const crowded = Cause.fail(new Cause.ExceededCapacityError(`not asked: ${maxReads} questions have no answer yet`))

export interface AnswerStoreOptions<Found> {
  readonly read: (key: string) => Effect.Effect<Found | undefined, unknown>
  /** Writes the latest answer of a key. */
  readonly write: (key: string) => Effect.Effect<unknown, unknown>
  /** Milliseconds. */
  readonly timeout: number
  readonly context: Context.Context<never>
}

export class AnswerStore<Found> {
  private readonly options: AnswerStoreOptions<Found>
  /** Keys whose latest answer is not written yet. */
  private readonly waiting = new Set<string>()
  private readonly writing = new Set<string>()
  private readonly writers = new Set<Fiber.Fiber<void>>()
  private readonly readers = new Map<string, Fiber.Fiber<Found | undefined>>()
  /** Questions that the store has not let go of, whether or not somebody still waits for them. */
  private readonly asked = new Set<Fiber.Fiber<Found | undefined, unknown>>()

  constructor(options: AnswerStoreOptions<Found>) {
    this.options = options
  }

  /** Has the latest answer of a key written. Writes of one key follow each other; what comes meanwhile is one more. */
  save(key: string): void {
    this.waiting.add(key)
    if (this.writers.size === maxWrites) return
    // The answer goes to its caller first.
    const writer = this.fork(Effect.andThen(Effect.yieldNow, this.saving))
    this.writers.add(writer)
    writer.addObserver(() => this.writers.delete(writer))
  }

  /** Leaves a key unwritten whose answer is no longer held. */
  drop(key: string): void {
    this.waiting.delete(key)
  }

  /** Whether the store can't hold the latest answer of a key yet. */
  isSaving(key: string): boolean {
    return this.waiting.has(key) || this.writing.has(key)
  }

  private readonly saving: Effect.Effect<void> = Effect.suspend(() => {
    const key = this.nextKey()
    if (key === undefined) return Effect.void
    this.waiting.delete(key)
    this.writing.add(key)
    const asked = this.fork(this.options.write(key))
    return this.inTime(asked).pipe(
      Effect.catchCause((cause) => publish({ _tag: "StoreFailed", key, operation: "write", cause })),
      // Told of when it is late, and counted until it has ended.
      Effect.andThen(Fiber.await(asked)),
      Effect.ensuring(Effect.sync(() => this.writing.delete(key))),
      Effect.andThen(this.saving)
    )
  })

  private nextKey(): string | undefined {
    for (const key of this.waiting) if (!this.writing.has(key)) return key
    return undefined
  }

  /** What the store holds for a key, as far as it says so in time. All that ask at once share one question. */
  find(key: string): Effect.Effect<Found | undefined> {
    return Effect.suspend(() => {
      let reader = this.readers.get(key)
      if (reader === undefined) {
        if (this.asked.size === maxReads) return this.failedToRead(key, crowded)
        reader = this.fork(this.ask(key))
        this.readers.set(key, reader)
        reader.addObserver(() => this.readers.delete(key))
      }
      return Effect.map(Fiber.await(reader), (exit) => exit._tag === "Success" ? exit.value : undefined)
    })
  }

  private ask(key: string): Effect.Effect<Found | undefined> {
    return Effect.suspend(() => {
      const asked = this.fork(this.options.read(key))
      this.asked.add(asked)
      asked.addObserver(() => this.asked.delete(asked))
      return this.inTime(asked)
    }).pipe(
      Effect.catchCause((cause) => this.failedToRead(key, cause))
    )
  }

  private failedToRead(key: string, cause: Cause.Cause<unknown>): Effect.Effect<undefined> {
    return Effect.as(publish({ _tag: "StoreFailed", key, operation: "read", cause }), undefined)
  }

  /** What the store answers, if it does in time. */
  private inTime<A>(asked: Fiber.Fiber<A, unknown>): Effect.Effect<A, unknown> {
    const { timeout } = this.options
    return inTime(asked, timeout, () => new Cause.TimeoutError(`no answer within ${timeout} millis`))
  }

  /** Waits until all that waits is written, or the store has had its time. */
  readonly flush: Effect.Effect<void> = Effect.suspend(() =>
    Effect.raceFirst(Fiber.awaitAll(this.writers), Effect.sleep(this.options.timeout))
  )

  readonly end: Effect.Effect<void> = Effect.sync(() => {
    // Not awaited, since a store may not let go. Readers let go of what they asked.
    for (const fiber of [...this.writers, ...this.readers.values()]) fiber.interruptUnsafe()
  })

  private fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.options.context)(effect)
  }
}
