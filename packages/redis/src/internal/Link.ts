/** A connection that is opened again whenever it is lost, for as long as its scope lasts. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Redis from "effect/persistence/Redis"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { type Connection, isReadOnly, open, redisError, type Settings, type Target } from "./Connection.ts"
import { textOf } from "./Failure.ts"

/** Returns in a few words why an effect on a connection failed. */
export const reasonOf = (cause: Cause.Cause<Redis.RedisError>): string => {
  const error = Cause.squash(cause)
  return textOf(Predicate.isTagged(error, "RedisError") && "cause" in error ? error.cause : error).slice(0, 200)
}

/** A connection that is replaced when it is lost. */
export interface Link {
  readonly address: string
  /** Waits for the first attempt to connect. Later, it fails at once while there is no connection. */
  readonly connection: Effect.Effect<Connection, Redis.RedisError>
  /** Waits for a connection for as long as it takes. */
  readonly connected: Effect.Effect<void>
  readonly isConnected: () => boolean
}

const firstDelay = 50

/** A replica answers reads and passes messages on, so a connection to one that remains a replica is kept for longer. */
const [firstGrace, maxGrace] = [1_000, 10_000]

/** A connection that lasted for this long was good, so the first attempt after it comes soon. */
const steadyAfter = "10 seconds"

/**
 * Connects, and connects again for as long as the scope lasts: after 50 milliseconds at first, then twice as long each
 * time up to `maxReconnectDelay`, give or take a fifth. Logs each outage once, each new reason for it, and its end; one that
 * comes again within 10 seconds for the same reason is part of the outage before.
 */
export const supervise = Effect.fnUntraced(function*(
  target: Target,
  settings: Settings,
  onLost: (error: Redis.RedisError) => void
): Effect.fn.Return<Link, never, Scope.Scope> {
  const { address } = target
  const maxDelay = Duration.toMillis(settings.maxReconnectDelay)
  const next = `commands fail at once; the next attempts follow, ${
    Duration.format(settings.maxReconnectDelay)
  } apart at most`
  const attempted = yield* Deferred.make<void>()
  let current: Connection | undefined
  let connected = yield* Deferred.make<void>()
  let attempts = 0
  let grace = 0
  let failure = ""
  let isAnnounced = true

  const connect = Effect.scoped(Effect.gen(function*() {
    const connection = yield* open(target, settings, grace)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        current = connection
        Deferred.doneUnsafe(connected, Exit.void)
      }),
      () =>
        Effect.sync(() => {
          current = undefined
          connected = Deferred.makeUnsafe()
        })
    )
    if (!isAnnounced) yield* Effect.logInfo(`Redis at ${address} is connected`)
    isAnnounced = true
    yield* Deferred.succeed(attempted, undefined)
    yield* Effect.forkScoped(Effect.gen(function*() {
      yield* Effect.sleep(steadyAfter)
      attempts = 0
      // A replica is left again and again, for the same reason: that is one outage.
      if (grace === 0) failure = ""
      yield* Effect.sleep("1 minute")
      grace = 0
      failure = ""
    }))
    return yield* Effect.tapError(connection.lost, (error) => Effect.sync(() => onLost(error)))
  }))

  const note = Effect.fnUntraced(function*(cause: Cause.Cause<Redis.RedisError>) {
    const reason = reasonOf(cause)
    if (isReadOnly(new Error(reason))) grace = Math.min(Math.max(firstGrace, grace * 2), maxGrace)
    isAnnounced &&= reason === failure
    if (reason !== failure) yield* Effect.logWarning(`Redis at ${address} is not connected (${reason}): ${next}`)
    failure = reason
    yield* Deferred.succeed(attempted, undefined)
    const delay = Math.min(firstDelay * 2 ** attempts++, maxDelay)
    yield* Effect.sleep(Duration.millis(delay * (yield* Random.nextBetween(0.8, 1.2))))
  })

  yield* Effect.forkScoped(Effect.forever(Effect.catchCause(connect, note)))

  return {
    address,
    connected: Effect.suspend(() => Deferred.await(connected)),
    isConnected: () => current !== undefined,
    connection: Effect.andThen(
      Deferred.await(attempted),
      Effect.suspend(() =>
        current === undefined
          ? Effect.fail(redisError(new Error(`Redis at ${address} is not connected (${failure}): ${next}`)))
          : Effect.succeed(current)
      )
    )
  }
})
