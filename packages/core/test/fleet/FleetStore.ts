/** A store as a fleet has it: one register, and to each process a link that loses, repeats and delays. */
import {
  type Change,
  CircuitRecord,
  CircuitStore,
  CircuitStoreError,
  type CircuitStoreReason,
  type Replaced,
  type Seen
} from "@reclose/core"
import { type Cause, Effect, Fiber, Queue, Stream } from "effect"
import type { Random } from "../machine/model/random.ts"
import type { World } from "./World.ts"

/** What may happen on a link, each as a share of the operations. */
export interface Faults {
  readonly lostRequests: number
  readonly lostAnswers: number
  readonly repeated: number
  readonly failed: number
  /** The longest that one way may take, in milliseconds. */
  readonly latency: number
  /** How often a store that pushes says that it may have missed something, in milliseconds. */
  readonly missedEvery: number
}

export interface Written {
  readonly at: number
  readonly record: CircuitRecord.CircuitRecord
  readonly before: CircuitRecord.CircuitRecord | undefined
  readonly by: number
}

export class FleetStore {
  record: CircuitRecord.CircuitRecord | undefined = undefined
  readonly history: Array<Written> = []
  reads = 0
  writes = 0
  /** Whether the store denies writes, as a full one does and one that is a replica. */
  isReadOnly = false
  /** Whether a denied write is announced all the same. */
  announcesDenied = false
  /** Whether the text of the record makes no sense to any process. */
  isGarbled = false
  /** By how much the store's clock is ahead of the world's. */
  ahead = 0
  readonly links: Array<Link> = []
  readonly world: World
  private readonly random: Random

  constructor(world: World, random: Random) {
    this.world = world
    this.random = random
  }

  now(): number {
    return this.world.now()
  }

  /** Whether the store does not do all that it is asked. */
  get isDenying(): boolean {
    return this.isReadOnly || this.isGarbled
  }

  /** The store's clock. */
  get time(): number {
    return Math.max(0, this.now() + this.ahead)
  }

  private get seen(): Seen {
    return { record: this.record, time: this.time, precision: 1 }
  }

  read(): Seen | CircuitStoreError {
    this.reads++
    return this.isGarbled ? failure("read", "Corrupt", "the record is garbled") : this.seen
  }

  replace(
    seen: CircuitRecord.CircuitRecord | undefined,
    next: CircuitRecord.CircuitRecord,
    by: number
  ): Replaced | CircuitStoreError {
    this.writes++
    if (this.isReadOnly) {
      if (this.announcesDenied) this.announce(next)
      return failure("replace", "Unavailable", "the store is read-only")
    }
    if (this.isGarbled) return failure("replace", "Corrupt", "the record is garbled")
    if (this.record?.version !== seen?.version) return { _tag: "Conflict", seen: this.seen }
    this.history.push({ at: this.now(), record: next, before: this.record, by })
    this.record = next
    this.announce(next)
    return { _tag: "Replaced", time: this.time, precision: 1 }
  }

  /** Loses the record, or holds an older one again. Says that changes may have been missed only if `isNoticed`. */
  restoreTo(record: CircuitRecord.CircuitRecord | undefined, isNoticed: boolean): void {
    this.record = record
    if (isNoticed) this.announceMissed(1)
  }

  /** Says so often that changes may have been missed, as a store does for each message that it does not understand. */
  announceMissed(times: number): void {
    for (const link of this.links) for (let i = 0; i < times; i++) link.tell({ _tag: "Missed" })
  }

  private announce(record: CircuitRecord.CircuitRecord): void {
    for (const link of this.links) link.tell(CircuitRecord.changeOf("quotes", record))
  }

  link(process: number, faults: Faults, pushes: boolean): Link {
    const link = new Link(this, process, faults, pushes, this.random)
    this.links.push(link)
    return link
  }
}

/** What connects one process to the store. */
export class Link {
  isCut = false
  /** When something last went wrong on it. */
  faultedAt = Number.NEGATIVE_INFINITY
  private readonly store: FleetStore
  private readonly process: number
  private readonly random: Random
  private readonly subscribers = new Set<Queue.Queue<Change, CircuitStoreError | Cause.Done>>()
  faults: Faults
  private readonly pushes: boolean

  constructor(store: FleetStore, process: number, faults: Faults, pushes: boolean, random: Random) {
    this.store = store
    this.process = process
    this.faults = faults
    this.pushes = pushes
    this.random = random
  }

  cut(isCut: boolean): void {
    this.isCut = isCut
    this.fault()
  }

  get service(): CircuitStore["Service"] {
    return CircuitStore.make({
      read: () => this.deliver("read", () => this.store.read()),
      replace: (_, seen, next) => this.deliver("replace", () => this.store.replace(seen, next, this.process)),
      changes: this.pushes ? this.changes : undefined,
      list: () => Stream.empty
    })
  }

  tell(change: Change): void {
    if (this.isCut || this.random.chance(this.faults.lostAnswers)) {
      if (!this.isCut) this.fault()
      return
    }
    for (const subscriber of this.subscribers) Queue.offerUnsafe(subscriber, change)
  }

  private get changes(): Stream.Stream<Change, CircuitStoreError> {
    return Stream.unwrap(Effect.map(
      Effect.acquireRelease(
        Effect.tap(
          Queue.unbounded<Change, CircuitStoreError | Cause.Done>(),
          (queue) => Effect.sync(() => this.subscribers.add(queue))
        ),
        (queue) => Effect.sync(() => this.subscribers.delete(queue))
      ),
      (queue) =>
        Stream.merge(
          Stream.fromQueue(queue),
          Stream.as(Stream.tick(this.faults.missedEvery), { _tag: "Missed" as const })
        )
    ))
  }

  private deliver<A>(
    operation: "read" | "replace",
    run: () => A | CircuitStoreError
  ): Effect.Effect<A, CircuitStoreError> {
    return Effect.suspend(() => {
      const { failed, lostAnswers, lostRequests, repeated } = this.faults
      const draw = this.random.next()
      if (this.isCut || draw < lostRequests) {
        this.fault()
        return Effect.never
      }
      if (draw < lostRequests + failed) {
        this.fault()
        return Effect.fail(failure(operation, "Unavailable", "the link says no"))
      }
      // A request is under way on its own: it arrives also if nobody waits for its answer any more.
      const answer = this.store.world.fork(Effect.andThen(this.way, Effect.sync(run)))
      if (draw < lostRequests + failed + repeated) {
        this.store.world.fork(Effect.andThen(Effect.sleep(this.random.between(0, 3000)), Effect.sync(run)))
      }
      return Effect.flatMap(Fiber.join(answer), (answer) => {
        if (!this.isCut && !this.random.chance(lostAnswers)) {
          return Effect.andThen(
            this.way,
            answer instanceof CircuitStoreError ? Effect.fail(answer) : Effect.succeed(answer)
          )
        }
        this.fault()
        return Effect.never
      })
    })
  }

  private get way(): Effect.Effect<void> {
    return Effect.suspend(() => Effect.sleep(this.random.between(0, this.faults.latency)))
  }

  private fault(): void {
    this.faultedAt = this.store.now()
  }
}

const failure = (
  operation: "read" | "replace",
  reason: CircuitStoreReason,
  message: string
): CircuitStoreError => new CircuitStoreError({ key: "quotes", operation, reason, message })
