/** Circuits of Effect's own breaker in a table: what is done to one is read, decided here, and written if nobody else wrote. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { DynamoClient } from "../DynamoClient.ts"
import { makeCombining } from "./Combining.ts"
import { DynamoFailure } from "./DynamoFailure.ts"
import type { EffectCircuit, Operation } from "./EffectCircuit.ts"
import { fromText, toText, type Written } from "./EffectCircuitText.ts"
import { type Held, makeRegister } from "./Register.ts"
import { makeServerClock } from "./ServerClock.ts"

export interface Circuits {
  /** Applies an operation to the circuit that is held, exactly once if it succeeds. */
  readonly apply: <A>(key: string, operation: Operation<A>) => Effect.Effect<A, DynamoFailure>
  readonly look: (
    key: string
  ) => Effect.Effect<{ readonly held: EffectCircuit | undefined; readonly now: number }, DynamoFailure>
}

/** How many writes a circuit remembers. An answer that is lost is asked for again before so many others have written. */
const remembered = 16

/** How often a write is tried again that somebody else was faster than. */
const maxConflicts = 20

export const makeCircuits = Effect.fnUntraced(function*(
  options: { readonly tableName: string; readonly prefix: string; readonly timeout: number }
): Effect.fn.Return<Circuits, never, DynamoClient | Scope.Scope> {
  const register = yield* makeRegister({ ...options, attribute: "breaker" })
  const clock = yield* makeServerClock
  const process = (yield* Random.nextIntBetween(0, 2 ** 48)).toString(36)
  let writes = 0

  const bounded = <A>(ask: Effect.Effect<A, DynamoFailure>) =>
    Effect.timeoutOrElse(ask, {
      duration: options.timeout,
      orElse: () =>
        Effect.fail(
          new DynamoFailure({
            reason: "Timeout",
            message:
              `DynamoDB was not done after ${options.timeout} milliseconds: check the network and the endpoint, ` +
              "or give it a longer timeout"
          })
        )
    })

  const read = (key: string) => clock.asking(register.read(key), ({ time }) => time)

  const decide = Effect.fnUntraced(function*(
    key: string,
    operations: ReadonlyArray<Operation<unknown>>,
    found: Held | undefined,
    conflicts: number
  ): Effect.fn.Return<ReadonlyArray<unknown>, DynamoFailure> {
    const read = yield* toWritten(found)
    const held = read?.circuit
    const now = clock.now()
    let circuit = held
    const answers = operations.map((operation) => {
      const { answer, next } = operation(circuit, now)
      circuit = next
      return answer
    })
    if (circuit === held || circuit === undefined) return answers
    const version = found?._tag === "Text" ? found.version : undefined
    const name = `${process}-${writes++}`
    const text = toText({ circuit, writes: [...read?.writes ?? [], name].slice(-remembered) })
    const write = register.replace(key, version, {
      version: (version ?? 0) + 1,
      text,
      phase: circuit._tag,
      expiresAt: circuit.forgetAt
    })
    const written = yield* clock.asking(
      write,
      (written) => written._tag === "Conflict" ? written.look.time : written.time
    )
    if (written._tag === "Replaced") return answers
    const winner = written.look.held
    // Its own write was done, and sent anew when the answer was lost; others may have written since.
    if (winner?._tag === "Text" && (yield* fromText(winner.text)).writes.includes(name)) return answers
    if (conflicts >= maxConflicts) return yield* crowded
    const share = yield* Random.next
    yield* Effect.sleep(share * Math.min(100, 5 * 2 ** conflicts))
    return yield* decide(key, operations, winner, conflicts + 1)
  })

  const combined = yield* makeCombining((key, operations: ReadonlyArray<Operation<unknown>>) =>
    bounded(Effect.flatMap(read(key), ({ held }) => decide(key, operations, held, 0)))
  )

  return {
    // What answers an operation is what that operation answers.
    apply: <A>(key: string, operation: Operation<A>) => combined(key, operation) as Effect.Effect<A, DynamoFailure>,
    look: (key) =>
      bounded(
        Effect.flatMap(read(key), ({ held }) =>
          Effect.map(toWritten(held), (read) => ({ held: read?.circuit, now: clock.now() })))
      )
  }
})

const toWritten = (held: Held | undefined): Effect.Effect<Written | undefined, DynamoFailure> => {
  if (held === undefined) return Effect.succeed(undefined)
  return held._tag === "Text" ? fromText(held.text) : Effect.fail(
    new DynamoFailure({
      reason: "WrongType",
      message: "the item of this key is none of ours; it is left alone: give circuits a prefix or a table of their own"
    })
  )
}

const crowded = Effect.fail(
  new DynamoFailure({
    reason: "Throttled",
    message: "too many processes write this circuit at once: use more keys, or the breaker of @reclose/core, " +
      "which writes far less"
  })
)
