/** The guarded calls that a process makes as it is told. */
import { type CircuitBreaker, CircuitOpen, withBreaker } from "@reclose/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Called, Order } from "./Protocol.ts"

/** Now, in milliseconds since 1970. */
export const wall = (): number => performance.timeOrigin + performance.now()

/** How a guarded call ended: its own ways of ending, a rejection, or one that it must not have. */
const endOf = (exit: Exit.Exit<"42", "down" | CircuitOpen>): Pick<Called, "end" | "why"> => {
  if (Exit.isSuccess(exit)) return { end: "Success", why: undefined }
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error === "down") return { end: "Failure", why: undefined }
  return error instanceof CircuitOpen
    ? { end: "CircuitOpen", why: error.reason }
    : { end: "Strange", why: Cause.pretty(exit.cause) }
}

export const call = ({ at, end, key, takes }: Order): Effect.Effect<Called, never, CircuitBreaker> =>
  Effect.gen(function*() {
    if (at !== undefined) yield* Effect.sleep(Math.max(0, at - wall()))
    const asked = wall()
    let begun: number | undefined
    const work = Effect.suspend((): Effect.Effect<"42", "down"> => {
      begun = wall()
      const done = end === "Success" ? Effect.succeed("42" as const) : Effect.fail("down" as const)
      return takes === 0 ? done : Effect.delay(done, takes)
    })
    const exit = yield* Effect.exit(withBreaker(work, key))
    const decidedAt = begun ?? wall()
    return { ...endOf(exit), began: begun !== undefined, decidedAfter: decidedAt - asked, decidedAt }
  })

export const callUntil = (
  { until, ...order }: Order & { readonly until: "rejected" | "began" }
): Effect.Effect<Called, never, CircuitBreaker> =>
  Effect.flatMap(call(order), (called) =>
    called.began === (until === "began")
      ? Effect.succeed(called)
      : Effect.delay(Effect.suspend(() => callUntil({ until, ...order })), 2))

/** How many of so many calls were let through. */
export const callOften = (key: string, times: number): Effect.Effect<number, never, CircuitBreaker> =>
  Effect.suspend(() => {
    let began = 0
    const work = Effect.sync(() => began++)
    const once = Effect.exit(withBreaker(work, key))
    return Effect.map(Effect.replicateEffect(once, times, { discard: true }), () => began)
  })
