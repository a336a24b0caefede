/** Time and turns as a seed has them: every fiber that may go on does so in a random order, and time passes only between. */
import { Clock, Context, Duration, Effect, Exit, type Fiber, Scheduler } from "effect"
import type { Random } from "../machine/model/random.ts"

interface Sleeper {
  readonly until: number
  readonly wake: () => void
}

export class World {
  private time = 0
  private tasks: Array<() => void> = []
  private readonly sleepers = new Set<Sleeper>()
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
    for (;;) {
      let next: Sleeper | undefined
      for (const sleeper of this.sleepers) {
        if (sleeper.until <= end && (next === undefined || sleeper.until < next.until)) next = sleeper
      }
      if (next === undefined) break
      this.time = Math.max(this.time, next.until)
      this.sleepers.delete(next)
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
      return Effect.sync(() => this.sleepers.delete(sleeper))
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
