/** One connection to one Redis: how it is opened, watched and closed. None of its waits is without a bound. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redis from "effect/persistence/Redis"
import type * as Scope from "effect/Scope"
import { createClient, ErrorReply } from "redis"
import type { ClientOptions } from "../RedisClient.ts"
import { textOf } from "./Failure.ts"

/** Where a Redis is, and how to sign in there. */
export interface Target {
  /** What messages call it: host and port, or a path. Never with a password. */
  readonly address: string
  readonly options: ClientOptions
}

/** The options of `RedisClient`, with their defaults. */
export interface Settings {
  readonly startTimeout: Duration.Duration
  readonly connectTimeout: Duration.Duration
  readonly pingInterval: Duration.Duration
  readonly pingTimeout: Duration.Duration
  readonly closeTimeout: Duration.Duration
  readonly maxReconnectDelay: Duration.Duration
  readonly maxCommands: number
}

export interface Connection {
  readonly send: (words: ReadonlyArray<string>) => Effect.Effect<unknown, Redis.RedisError>
  /** Sends commands one right after the other, and returns the answer to the last. */
  readonly sendAll: (commands: ReadonlyArray<ReadonlyArray<string>>) => Effect.Effect<unknown, Redis.RedisError>
  readonly subscribe: (
    channel: string,
    onMessage: (message: Redis.RedisMessage) => void
  ) => Effect.Effect<void, Redis.RedisError>
  /** Fails once the connection is lost. */
  readonly lost: Effect.Effect<never, Redis.RedisError>
  /** Makes `lost` fail. */
  readonly end: (cause: unknown) => void
  /** Closes it without waiting for answers: commands in flight fail. */
  readonly destroy: Effect.Effect<void>
}

export const redisError = (cause: unknown): Redis.RedisError => new Redis.RedisError({ cause })

const promised = <A>(evaluate: () => Promise<A>): Effect.Effect<A, Redis.RedisError> =>
  Effect.tryPromise({ try: evaluate, catch: redisError })

/** Fails with this message unless the effect ends in time. */
const within = (duration: Duration.Duration, message: string) =>
  Effect.timeoutOrElse({ duration, orElse: () => Effect.fail(redisError(new Error(message))) })

/** A replica refuses writes. After a failover, the same address may lead to the primary. */
export const isReadOnly = (cause: unknown): boolean => /\bREADONLY\b/.test(textOf(cause))

/**
 * Opens a connection that closes with the scope, after the answers to what was sent, or after `closeTimeout` without them.
 * It doesn't reconnect: `lost` fails when its socket ends, when a PING stays unanswered for `pingTimeout`, and when Redis
 * answers that it is a replica, `replicaGrace` after it was opened at the earliest.
 */
export const open = Effect.fnUntraced(function*(
  { address, options }: Target,
  { closeTimeout, connectTimeout, maxCommands, pingInterval, pingTimeout }: Settings,
  replicaGrace: Duration.Input = Duration.zero
): Effect.fn.Return<Connection, Redis.RedisError, Scope.Scope> {
  const lost = yield* Deferred.make<never, Redis.RedisError>()
  const end = (cause: unknown): void => {
    Deferred.doneUnsafe(lost, Exit.fail(redisError(cause)))
  }
  const client = yield* Effect.acquireRelease(
    Effect.try({
      try: () =>
        createClient({
          // A user needs no right to CLIENT SETINFO then.
          disableClientInfo: true,
          ...options,
          RESP: options.RESP ?? 3,
          socket: { ...options.socket, connectTimeout: Duration.toMillis(connectTimeout), reconnectStrategy: false },
          disableOfflineQueue: true,
          commandsQueueMaxLength: maxCommands
        }).on("error", end),
      catch: redisError
    }),
    (client) =>
      client.isReady
        ? promised(() => client.close()).pipe(
          Effect.interruptible,
          Effect.timeoutOption(closeTimeout),
          // Answers are lost then, and so are those who waited for them.
          Effect.ignore,
          Effect.andThen(Effect.sync(() => client.destroy()))
        )
        : Effect.sync(() => client.destroy())
  )
  // A socket that is still connecting is out of the reach of `destroy`.
  const connect = () =>
    client.connect().then(() => {
      if (!client.isOpen) client.destroy()
    })
  yield* promised(connect).pipe(within(connectTimeout, `connection attempt timed out at ${address}`))

  let endsOnReadOnly = false
  yield* Effect.forkScoped(
    Effect.delay(
      Effect.sync(() => {
        endsOnReadOnly = true
      }),
      replicaGrace
    ),
    { startImmediately: true }
  )
  const send = (words: ReadonlyArray<string>): Promise<unknown> =>
    client.sendCommand<unknown>([...words]).catch((cause: unknown) => {
      if (endsOnReadOnly && isReadOnly(cause)) end(cause)
      throw cause
    })
  const ping = promised(() => client.ping()).pipe(
    within(pingTimeout, `PING timed out at ${address}`),
    // An answer is an answer.
    Effect.catchIf(({ cause }) => cause instanceof ErrorReply, () => Effect.void)
  )
  yield* Effect.forkScoped(
    ping.pipe(
      Effect.delay(pingInterval),
      Effect.forever,
      Effect.tapError(({ cause }) =>
        Effect.sync(() => {
          end(cause)
          // Whoever waits for an answer on a dead connection waits in vain.
          client.destroy()
        })
      )
    )
  )
  return {
    send: (words) => promised(() => send(words)),
    sendAll: (commands) => promised(() => Promise.all(commands.map(send)).then((answers) => answers.at(-1))),
    subscribe: (channel, onMessage) =>
      promised(() => client.subscribe(channel, (message, channel) => onMessage({ channel, message }))).pipe(
        within(pingTimeout, `SUBSCRIBE timed out at ${address}`)
      ),
    lost: Deferred.await(lost),
    end,
    destroy: Effect.sync(() => client.destroy())
  }
})
