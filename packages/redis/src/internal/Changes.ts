/** What Redis tells of written keys, and when something may have been missed. */
import { changeOf as announcementOf, type CircuitRecord } from "@reclose/core/CircuitRecord"
import type { Change, CircuitStoreError } from "@reclose/core/CircuitStore"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redis from "effect/persistence/Redis"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { failureOf } from "./Failure.ts"

const missed: Change = { _tag: "Missed" }

/** What is published about a key. */
export const messageOf = (key: string, record: CircuitRecord): string => {
  const { generation, version } = announcementOf(key, record)
  return `${version} ${generation} ${key}`
}

/** Returns the change that a message announces, or `undefined` for a message of another format. */
const changeOf = (message: string): Change | undefined => {
  const [, versionText, generationText, key] = /^(\d{1,16}) (\d{1,16}) (.+)$/.exec(message) ?? []
  const [version, generation] = [Number(versionText), Number(generationText)]
  return key !== undefined && Number.isSafeInteger(version) && Number.isSafeInteger(generation)
    ? { _tag: "Changed", key, version, generation }
    : undefined
}

/** Redis forgets what it could not deliver, and a client may reconnect without a word. */
const missedEvery = "30 seconds"

/**
 * The least time between two `Missed` because of messages. Each makes a breaker read all its circuits in use, and any
 * client that may publish can cause one: an instance of another format does so with every change.
 */
const missedAtMostEvery = "5 seconds"

/** How many changes wait for a slow reader. Beyond that the oldest are dropped, and `Missed` says so. */
const bufferSize = 1_024

const soon = Schedule.jittered(Schedule.spaced("500 millis"))

const later = Schedule.min([Schedule.exponential("500 millis"), Schedule.spaced("10 seconds")]).pipe(Schedule.jittered)

/**
 * Waits for the end of an effect that is interrupted for at most a second. A client that is connecting can't be
 * interrupted, and may connect to a Redis that doesn't answer; it ends by itself once it is told of either.
 */
const abandonable = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.forkDetach(restore(self)),
      (fiber) =>
        Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.timeoutOption(Fiber.interrupt(fiber), "1 second"))
    )
  )

const warn = (channel: string) => (cause: Cause.Cause<Redis.RedisError>) =>
  Effect.logWarning(
    `the subscription to ${channel} failed and is made again; until then changes are learnt of every ${missedEvery}`,
    Cause.map(cause, failureOf("changes", ""))
  )

export const changes = (
  redis: Redis.Redis["Service"],
  channel: string
): Stream.Stream<Change, CircuitStoreError> =>
  Stream.callback<Change>(
    Effect.fnUntraced(function*(queue) {
      // Holds one request at most, so that any number of messages causes one `Missed`.
      const requests = yield* Queue.dropping<void>(1)
      const tellAll = (messages: ReadonlyArray<Redis.RedisMessage>): void => {
        for (const { message } of messages) {
          const change = changeOf(message)
          if (change === undefined || Queue.isFullUnsafe(queue)) Queue.offerUnsafe(requests, undefined)
          if (change !== undefined) Queue.offerUnsafe(queue, change)
        }
      }
      const tellMissed = Queue.offer(queue, missed)
      const tellMissedOnRequest = Effect.forever(
        Effect.andThen(Queue.take(requests), Effect.andThen(tellMissed, Effect.sleep(missedAtMostEvery)))
      )

      /** Fails if there is no subscription, and ends when one that stood is no more. */
      const listen = Effect.scoped(Effect.gen(function*() {
        const messages = yield* redis.subscribe(channel)
        const first = Queue.takeUnsafe(messages)
        if (first !== undefined) tellAll([yield* first])
        yield* tellMissed
        yield* Effect.forever(Effect.map(Queue.takeAll(messages), tellAll)).pipe(Effect.catchCause(warn(channel)))
      }))
      const listenForever = listen.pipe(
        Effect.tapCause(warn(channel)),
        Effect.sandbox,
        Effect.retry(later),
        Effect.repeat(soon),
        // Not reached: neither schedule ends.
        Effect.orDie
      )
      yield* Effect.forkScoped(Effect.forever(Effect.delay(tellMissed, missedEvery)))
      yield* Effect.forkScoped(tellMissedOnRequest)
      yield* abandonable(listenForever)
    }),
    { bufferSize, strategy: "sliding" }
  )
