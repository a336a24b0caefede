/** Effect's `Redis` service, over a connection or over a cluster. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redis from "effect/persistence/Redis"
import * as Scope from "effect/Scope"
import { type Roots, route } from "./Cluster.ts"
import { type Connection, open, redisError, type Settings, type Target } from "./Connection.ts"
import { supervise } from "./Link.ts"
import { targetLike } from "./Target.ts"

type Send = Redis.Redis["Service"]["send"]

/** The caller says what type the reply has, as with any client of Redis. */
const sending =
  (send: (words: ReadonlyArray<string>) => Effect.Effect<unknown, Redis.RedisError>): Send =>
  <A>(command: string, ...args: ReadonlyArray<string>) => send([command, ...args]) as Effect.Effect<A, Redis.RedisError>

/** Subscribes on a connection of its own. What it returns fails when that is lost. */
const subscribeAt = Effect.fnUntraced(function*(
  target: Target,
  settings: Settings,
  channel: string,
  onMessage: (message: Redis.RedisMessage) => void
) {
  const connection = yield* open(target, settings)
  yield* connection.subscribe(channel, onMessage)
  return connection
})

export const makeClient = Effect.fnUntraced(function*(
  target: Target,
  settings: Settings
): Effect.fn.Return<Redis.Redis["Service"], never, Scope.Scope> {
  const subscribers = new Set<Connection>()
  const link = yield* supervise(target, settings, ({ cause }) => subscribers.forEach(({ end }) => end(cause)))
  yield* Effect.timeoutOption(Effect.exit(link.connection), settings.startTimeout)
  return yield* Redis.make({
    send: sending((words) => Effect.flatMap(link.connection, ({ send }) => send(words))),
    connect: Effect.gen(function*() {
      // Closed by the pool of reserved connections, and not with the scope in which it is opened.
      const scope = yield* Scope.make()
      const close = Scope.close(scope, Exit.void)
      const { destroy, send } = yield* Scope.provide(open(target, settings), scope).pipe(
        Effect.onError(() => close)
      )
      return { send: sending(send), close: Effect.andThen(destroy, close) }
    }),
    subscribe: Effect.fnUntraced(function*(channel, onMessage) {
      // Trying meanwhile would find out nothing that the link doesn't, and would come later.
      yield* link.connected
      const connection = yield* subscribeAt(target, settings, channel, onMessage)
      yield* Effect.acquireRelease(
        Effect.sync(() => subscribers.add(connection)),
        () => Effect.sync(() => subscribers.delete(connection))
      )
      return connection.lost
    })
  })
})

export const makeCluster = Effect.fnUntraced(function*(
  roots: Roots,
  settings: Settings
): Effect.fn.Return<Redis.Redis["Service"], never, Scope.Scope> {
  const cluster = yield* route(roots, (address) => targetLike(roots[0], address), settings)
  yield* Effect.timeoutOption(cluster.started, settings.startTimeout)
  return yield* Redis.make({
    send: sending(cluster.send),
    connect: Effect.fail(
      redisError(new Error("no connection can be reserved in a Redis Cluster: it would belong to one node"))
    ),
    subscribe: Effect.fnUntraced(function*(channel, onMessage) {
      const target = yield* cluster.anyTarget
      const connection = yield* subscribeAt(target, settings, channel, onMessage)
      return Effect.raceFirst(connection.lost, cluster.gone(target.address))
    })
  })
})
