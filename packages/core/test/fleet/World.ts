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

export class World {
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

  /** Lets so much time pass, stopping wherever somebody wakes. */
  pass(millis: number): void {
    this.settle()
    const end = this.time + millis
    for (let next = this.sleepers.first; next !== undefined && next.until <= end; next = this.sleepers.first) {
      this.sleepers.removeFirst()
      if (next.wake === undefined) continue
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
      const millis = Math.ceil(Duration.toMillis(duration))
      const sleeper: Sleeper = { until: this.time + millis, wake: () => resume(Effect.void) }
      this.sleepers.add(sleeper)
      return Effect.sync(() => {
        sleeper.wake = undefined
      })
    })

  readonly clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => this.time,
    currentTimeMillis: Effect.sync(() => this.time),
    currentTimeNanosUnsafe: () => BigInt(this.time) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(this.time) * 1_000_000n),
    monotonicTimeNanosUnsafe: () => BigInt(this.time) * 1_000_000n,
    monotonicTimeNanos: Effect.sync(() => BigInt(this.time) * 1_000_000n),
    sleep: (duration) => this.sleep(duration)
  }
}
