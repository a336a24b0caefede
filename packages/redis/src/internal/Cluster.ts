/** Sends each command to the node of a cluster that serves its key, and follows when slots move. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Redis from "effect/persistence/Redis"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { type Connection, open, redisError, type Settings, type Target } from "./Connection.ts"
import { textOf } from "./Failure.ts"
import { type Link, reasonOf, supervise } from "./Link.ts"
import { keyOf, slotCount, slotOf } from "./slots.ts"

/** How far apart two looks at the cluster's topology are at least. */
const refreshAtMostEvery = "1 second"

/** After the first look that failed another one follows soon, then after twice as long each time, in milliseconds. */
const firstDelay = 50

/** How often a command follows from node to node before it fails. */
const maxRedirects = 5

interface Topology {
  /** The address of the primary of each slot. */
  readonly slots: Array<string | undefined>
  readonly primaries: ReadonlyArray<string>
}

/** An answer to CLUSTER SLOTS: first and last slot, the primary's host and port, its replicas. */
type Ranges = ReadonlyArray<
  readonly [first: number, last: number, primary: readonly [host: string | null, port: number]]
>

/** A node that doesn't know its own host is asked under a host that works. */
const topologyOf = (ranges: Ranges, askedHost: string): Topology => {
  const slots = Array.from<string | undefined>({ length: slotCount })
  const primaries = new Set<string>()
  for (const [first, last, [host, port]] of ranges) {
    const address = addressOf(host === null || host === "" || host === "?" ? askedHost : host, port)
    primaries.add(address)
    slots.fill(address, first, last + 1)
  }
  return { slots, primaries: [...primaries].toSorted() }
}

const addressOf = (host: string, port: number | string): string => `${host}:${port}`

const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(":"))

/** What a node answers about a slot that it doesn't serve: `MOVED 3999 10.0.0.1:6381`, for good, or `ASK`, for once. */
const redirectOf = (cause: unknown, askedHost: string) => {
  const [, kind, slot, host, port] = /^(MOVED|ASK) (\d+) (\S*):(\d+)/.exec(textOf(cause)) ?? []
  return kind === undefined || host === undefined || port === undefined
    ? undefined
    : { kind, slot: Number(slot), address: addressOf(host === "" ? askedHost : host, port) }
}

/** The nodes that are asked for the topology at first, and when no other answers. */
export type Roots = readonly [Target, ...ReadonlyArray<Target>]

interface Node {
  readonly link: Link
  /** Fails once the node is no primary of the cluster any more. */
  readonly gone: Deferred.Deferred<never, Redis.RedisError>
  readonly scope: Scope.Closeable
}

export interface Cluster {
  readonly send: (words: ReadonlyArray<string>) => Effect.Effect<unknown, Redis.RedisError>
  /** Where to subscribe: any node hears what is published at another. */
  readonly anyTarget: Effect.Effect<Target>
  /** Fails once a node is no primary any more: one that has left the cluster hears nothing of it. */
  readonly gone: (address: string) => Effect.Effect<never, Redis.RedisError>
  /** Ends when the cluster has been asked for its topology, and each primary has been connected to or not. */
  readonly started: Effect.Effect<void>
}

export const route = Effect.fnUntraced(function*(
  roots: Roots,
  targetOf: (address: string) => Target,
  settings: Settings
): Effect.fn.Return<Cluster, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const nodes = new Map<string, Node>()
  const first = yield* Deferred.make<void>()
  // Holds one request at most. Whoever waits for a look waits for the next to begin.
  const requests = yield* Queue.dropping<void>(1)
  let next = yield* Deferred.make<void>()
  let topology: Topology = { slots: [], primaries: [] }
  let failure = ""
  let turn = 0
  let failures = 0

  const requestRefresh = (): void => {
    Queue.offerUnsafe(requests, undefined)
  }
  const refreshed = Effect.suspend(() => {
    requestRefresh()
    return Deferred.await(next)
  })
  const names = roots.map(({ address }) => address).join(", ")
  const retry = `asked again after ${Duration.format(settings.maxReconnectDelay)} at most`

  const rangesFrom = (connection: Connection) =>
    Effect.timeoutOrElse(connection.send(["CLUSTER", "SLOTS"]), {
      duration: settings.pingTimeout,
      orElse: () => Effect.fail(redisError(new Error("CLUSTER SLOTS timed out")))
    }).pipe(
      // The reply of Redis to this command has this shape.
      Effect.map((ranges) => ranges as Ranges),
      Effect.filterOrFail((ranges) => ranges.length > 0, () => redisError(new Error("the cluster serves no slots")))
    )

  const ask = (): Effect.Effect<Topology, Redis.RedisError> => {
    const connected = [...nodes.values()].filter(({ link }) => link.isConnected()).map(({ link }) =>
      link.connection.pipe(
        Effect.flatMap(rangesFrom),
        Effect.map((ranges) => topologyOf(ranges, hostOf(link.address)))
      )
    )
    const others = [...roots, ...[...nodes.keys()].map(targetOf)].map((target) =>
      open(target, settings).pipe(
        Effect.flatMap(rangesFrom),
        Effect.map((ranges) => topologyOf(ranges, hostOf(target.address))),
        Effect.scoped
      )
    )
    return Effect.firstSuccessOf([...connected, ...others])
  }

  const adopt = Effect.fnUntraced(function*(latest: Topology) {
    topology = latest
    for (const address of latest.primaries) {
      if (nodes.has(address)) continue
      const nodeScope = yield* Scope.fork(scope)
      const link = yield* Scope.provide(supervise(targetOf(address), settings, requestRefresh), nodeScope)
      nodes.set(address, { link, gone: yield* Deferred.make<never, Redis.RedisError>(), scope: nodeScope })
    }
    for (const [address, node] of nodes) {
      if (latest.primaries.includes(address)) continue
      nodes.delete(address)
      yield* Deferred.fail(node.gone, redisError(new Error(`${address} is no primary of the cluster any more`)))
      yield* Scope.close(node.scope, Exit.void)
    }
  })

  const refresh = Effect.gen(function*() {
    yield* Queue.take(requests)
    const current = next
    next = yield* Deferred.make<void>()
    const exit = yield* Effect.exit(ask())
    if (Exit.isSuccess(exit)) {
      if (failure !== "") yield* Effect.logInfo(`the Redis cluster at ${names} answers again`)
      failure = ""
      yield* adopt(exit.value)
    } else {
      const reason = reasonOf(exit.cause)
      if (reason !== failure) {
        yield* Effect.logWarning(`the Redis cluster at ${names} doesn't tell its topology (${reason}); it is ${retry}`)
      }
      failure = reason
    }
    yield* Deferred.succeed(current, undefined)
    yield* Deferred.succeed(first, undefined)
    failures = Exit.isSuccess(exit) ? 0 : failures + 1
    const delay = Math.min(firstDelay * 2 ** failures, Duration.toMillis(settings.maxReconnectDelay))
    yield* Effect.sleep(failures === 0 ? refreshAtMostEvery : delay)
    if (Exit.isFailure(exit) || [...nodes.values()].some(({ link }) => !link.isConnected())) requestRefresh()
  })
  requestRefresh()
  yield* Effect.forkScoped(Effect.forever(refresh))

  const nodeAt = (address: string | undefined): Effect.Effect<Link, Redis.RedisError> =>
    Effect.suspend(() => {
      const node = address === undefined ? undefined : nodes.get(address)
      if (node !== undefined) return Effect.succeed(node.link)
      requestRefresh()
      const why = failure === "" ? `no primary at ${address ?? "this slot"}` : failure
      return Effect.fail(
        redisError(new Error(`the Redis cluster at ${names} has no node for the command (${why}); it is ${retry}`))
      )
    })

  const sendTo = (
    address: string | undefined,
    words: ReadonlyArray<string>,
    { isAsking = false, redirects = 0 } = {}
  ): Effect.Effect<unknown, Redis.RedisError> =>
    nodeAt(address).pipe(
      Effect.flatMap((link) =>
        link.connection.pipe(
          Effect.tapError(() => Effect.sync(requestRefresh)),
          Effect.flatMap((connection) => isAsking ? connection.sendAll([["ASKING"], words]) : connection.send(words)),
          Effect.catch((error): Effect.Effect<unknown, Redis.RedisError> => {
            const redirect = redirectOf(error.cause, hostOf(link.address))
            // A node that has left the cluster serves no slot, and doesn't know who does.
            if (/\bCLUSTERDOWN\b/.test(textOf(error.cause))) requestRefresh()
            if (redirect === undefined || redirects === maxRedirects) return Effect.fail(error)
            const again = sendTo(redirect.address, words, {
              isAsking: redirect.kind === "ASK",
              redirects: redirects + 1
            })
            if (redirect.kind === "MOVED") {
              requestRefresh()
              topology.slots[redirect.slot] = redirect.address
            }
            return nodes.has(redirect.address) ? again : Effect.andThen(refreshed, again)
          })
        )
      )
    )

  /** A script is loaded into every primary that can be reached, for it runs on the node of its key. */
  const sendToAll = (words: ReadonlyArray<string>) =>
    Effect.forEach(topology.primaries, (address) => Effect.exit(sendTo(address, words)), {
      concurrency: "unbounded"
    }).pipe(
      Effect.flatMap((exits) => exits.find(Exit.isSuccess) ?? exits[0] ?? Effect.asVoid(nodeAt(undefined)))
    )

  /** The cursor names the node that it belongs to. The nodes come in the order of their addresses. */
  const scan = ([name = "", cursor = "", ...options]: ReadonlyArray<string>) => {
    const [position = "", address = topology.primaries[0]] = cursor.split("@")
    return Effect.map(sendTo(address, [name, position, ...options]), (reply) => {
      // The reply of Redis to this command has this shape.
      const [end, keys] = reply as readonly [string, ReadonlyArray<string>]
      if (end !== "0") return [`${end}@${address}`, keys]
      const following = topology.primaries.find((other) => address !== undefined && other > address)
      return [following === undefined ? "0" : `0@${following}`, keys]
    })
  }

  /** Connected primaries take turns. */
  const anyPrimary = (): string | undefined => {
    const connected = topology.primaries.filter((address) => nodes.get(address)?.link.isConnected())
    const candidates = connected.length === 0 ? topology.primaries : connected
    return candidates[turn++ % candidates.length]
  }

  return {
    send: (words) =>
      Effect.andThen(
        Deferred.await(first),
        Effect.suspend(() => {
          const command = words[0]?.toUpperCase()
          if (command === "SCRIPT") return sendToAll(words)
          if (command === "SCAN") return scan(words)
          const key = keyOf(words)
          return sendTo(key === undefined ? anyPrimary() : topology.slots[slotOf(key)], words)
        })
      ),
    anyTarget: Effect.sync(() => {
      const address = anyPrimary()
      return address === undefined ? roots[turn++ % roots.length] ?? roots[0] : targetOf(address)
    }),
    gone: (address) =>
      Effect.suspend(() => {
        const node = nodes.get(address)
        return node === undefined ? Effect.never : Deferred.await(node.gone)
      }),
    started: Effect.andThen(
      Deferred.await(first),
      Effect.suspend(() =>
        Effect.forEach([...nodes.values()], ({ link }) => Effect.exit(link.connection), {
          concurrency: "unbounded",
          discard: true
        })
      )
    )
  }
})
