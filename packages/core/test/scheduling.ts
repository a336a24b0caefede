/** Runs one call on a scheduler of its own and interrupts it at a chosen point. */
import { Context, Effect, type Exit, Fiber, Scheduler } from "effect"

/**
 * How a call was interrupted at a point.
 *
 * - `waiting`: while its fiber waits for its turn, on a run loop that takes a turn for every single operation.
 * - `running`: from inside an operation of its own fiber, which goes on until that operation is over.
 */
export type Moment = "running" | "waiting"

/** How a call ended that was interrupted at a point. */
export interface Interrupted {
  readonly exit: Exit.Exit<unknown, unknown> | undefined
  /** Whether the call was over before it got to that point. */
  readonly tooLate: boolean
}

/** What a call does at each of its own steps, so that it can be interrupted there. */
export type Step = () => void

/**
 * A turn resumes the run loop with one operation and evaluates one more; the loop yields before the third. With a
 * smaller number it would yield before it got anywhere, for ever.
 */
const opsPerTurn = 3

class TurnScheduler implements Scheduler.Scheduler {
  readonly executionMode = "sync"
  private readonly tasks: Array<() => void> = []

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return fiber.currentOpCount >= opsPerTurn
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return { scheduleTask: (task) => this.tasks.push(task), flush: () => this.drain() }
  }

  /** Takes one turn, if there is one to take. */
  turn(): boolean {
    const task = this.tasks.shift()
    task?.()
    return task !== undefined
  }

  drain(): void {
    while (this.turn());
  }
}

/** Runs a call, interrupts it at a point, counted from 0, and lets it end. */
export const interruptedAt = Effect.fnUntraced(
  function*<A, E, R>(
    call: (step: Step) => Effect.Effect<A, E, R>,
    moment: Moment,
    point: number
  ): Effect.fn.Return<Interrupted, never, R> {
    const context = yield* Effect.context<R>()
    const scheduler = new TurnScheduler()
    const run = Effect.runForkWith(Context.add(context, Scheduler.Scheduler, scheduler))
    if (moment === "running") {
      let steps = 0
      const fiber = run(call(() => {
        if (steps++ === point) Fiber.getCurrent()?.interruptUnsafe()
      }))
      scheduler.drain()
      return { exit: fiber.pollUnsafe(), tooLate: steps <= point }
    }
    const fiber = run(call(() => undefined))
    for (let turns = 0; turns < point && scheduler.turn(); turns++);
    const tooLate = fiber.pollUnsafe() !== undefined
    fiber.interruptUnsafe()
    scheduler.drain()
    return { exit: fiber.pollUnsafe(), tooLate }
  }
)
