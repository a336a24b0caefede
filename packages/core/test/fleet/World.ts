/** Time and turns as a seed has them: every fiber that may go on does so in a random order, and time passes only between. */
import { Clock, Context, Duration, Effect, Exit, type Fiber, Scheduler } from "effect"
import type { Random } from "../machine/model/random.ts"

interface Sleeper {
  readonly until: number
  wake: (() => void) | undefined
}

/** Those who sleep, the one to wake first on top: a heap, since there are thousands in a large fleet. */
class Sleepers {
  private readonly heap: Array<Sleeper> = []

  get first(): Sleeper | undefined {
    return this.heap[0]
  }

  add(sleeper: Sleeper): void {
    let at = this.heap.push(sleeper) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      if (this.until(above) <= sleeper.until) break
      at = this.swap(at, above)
    }
  }

  removeFirst(): void {
    const last = this.heap.pop()
    if (last === undefined || this.heap.length === 0) return
    this.heap[0] = last
    for (let at = 0;;) {
      const [left, right] = [2 * at + 1, 2 * at + 2]
      const below = this.until(right) < this.until(left) ? right : left
      if (this.until(below) >= last.until) return
      at = this.swap(at, below)
    }
  }

  private until(at: number): number {
    return this.heap[at]?.until ?? Number.POSITIVE_INFINITY
  }

  private swap(at: number, other: number): number {
    const [one, two] = [this.heap[at], this.heap[other]]
    if (one !== undefined) this.heap[other] = one
    if (two !== undefined) this.heap[at] = two
    return other
  }
}

/** How many fibers may wake during one `pass`: far more than any event needs, and few enough to end a loop of them. */
const maxWakes = 200_000

export class World {
  /** Whether sleeps last fractions of a millisecond, as they do by the clock of a real machine. */
  hasFractions = false
  private time = 0
  private tasks: Array<() => void> = []
  private readonly sleepers = new Sleepers()
  private readonly random: Random
  private readonly context: Context.Context<never>

  constructor(random: Random) {
    this.random = random
    const dispatcher: Scheduler.SchedulerDispatcher = {
      scheduleTask: (task) => {
        this.tasks.push(task)
      },
      flush: () => this.settle()
    }
    const scheduler: Scheduler.Scheduler = {
      executionMode: "async",
      shouldYield: (fiber) => fiber.currentOpCount >= 2048,
      makeDispatcher: () => dispatcher
    }
    this.context = Context.make(Scheduler.Scheduler, scheduler).pipe(Context.add(Clock.Clock, this.clock))
  }

  now(): number {
    return this.time
  }

  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.context)(effect)
  }

  /** Runs an effect that needs turns, but no time. */
  run<A>(effect: Effect.Effect<A>): A {
    const fiber = this.fork(effect)
    this.settle()
    const exit = fiber.pollUnsafe()
    if (exit === undefined) throw new Error("the effect waits for time to pass")
    if (Exit.isFailure(exit)) throw new Error(String(exit.cause))
    return exit.value
  }

  /** Lets so much time pass, stopping wherever a fiber wakes. Throws if fibers wake without end. */
  pass(millis: number): void {
    this.settle()
    const end = this.time + millis
    let wakes = 0
    for (let next = this.sleepers.first; next !== undefined && next.until <= end; next = this.sleepers.first) {
      this.sleepers.removeFirst()
      if (next.wake === undefined) continue
      if (++wakes > maxWakes) throw new Error(`more than ${maxWakes} fibers woke within ${millis} milliseconds`)
      this.time = Math.max(this.time, next.until)
      next.wake()
      this.settle()
    }
    this.time = end
  }

  /** Lets everybody go on until all wait for time to pass. */
  private settle(): void {
    while (this.tasks.length > 0) {
      const picked = this.random.between(0, this.tasks.length - 1)
      const last = this.tasks.pop()
      const task = picked === this.tasks.length ? last : this.tasks[picked]
      if (last !== undefined && picked < this.tasks.length) this.tasks[picked] = last
      task?.()
    }
  }

  private readonly sleep = (duration: Duration.Duration): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      const millis = Duration.toMillis(duration)
      const until = this.hasFractions ? toMicros(this.time + millis) : this.time + Math.ceil(millis)
      const sleeper: Sleeper = { until, wake: () => resume(Effect.void) }
      this.sleepers.add(sleeper)
      return Effect.sync(() => {
        sleeper.wake = undefined
      })
    })

  readonly clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => this.time,
    currentTimeMillis: Effect.sync(() => this.time),
    currentTimeNanosUnsafe: () => toNanos(this.time),
    currentTimeNanos: Effect.sync(() => toNanos(this.time)),
    monotonicTimeNanosUnsafe: () => toNanos(this.time),
    monotonicTimeNanos: Effect.sync(() => toNanos(this.time)),
    sleep: (duration) => this.sleep(duration)
  }
}

/** The next whole microsecond, since a sum of fractions may be off by less than one. */
const toMicros = (millis: number): number => Math.ceil(millis * 1000 - 0.001) / 1000

/** A reading of a clock in nanoseconds. */
export const toNanos = (millis: number): bigint => BigInt(Math.round(millis * 1_000_000))
