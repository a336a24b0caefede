/** A store as a fleet has it: one register, and to each process a link that loses, repeats and delays. */
import { type Change, CircuitRecord, CircuitStore, CircuitStoreError, type Replaced, type Seen } from "@reclose/core"
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

  read(): Seen {
    this.reads++
    return { record: this.record, time: this.now(), precision: 1 }
  }

  replace(seen: CircuitRecord.CircuitRecord | undefined, next: CircuitRecord.CircuitRecord, by: number): Replaced {
    this.writes++
    if (this.record?.version !== seen?.version) {
      return { _tag: "Conflict", seen: { record: this.record, time: this.now(), precision: 1 } }
    }
    this.history.push({ at: this.now(), record: next, before: this.record, by })
    this.record = next
    for (const link of this.links) link.tell(next)
    return { _tag: "Replaced", time: this.now(), precision: 1 }
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
      read: (key) => this.deliver(key, "read", () => this.store.read()),
      replace: (key, seen, next) => this.deliver(key, "replace", () => this.store.replace(seen, next, this.process)),
      changes: this.pushes ? this.changes : undefined,
      list: () => Stream.empty
    })
  }

  tell(record: CircuitRecord.CircuitRecord): void {
    if (this.isCut || this.random.chance(this.faults.lostAnswers)) {
      if (!this.isCut) this.fault()
      return
    }
    for (const subscriber of this.subscribers) {
      Queue.offerUnsafe(subscriber, CircuitRecord.changeOf("quotes", record))
    }
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

  private deliver<A>(key: string, operation: "read" | "replace", run: () => A): Effect.Effect<A, CircuitStoreError> {
    return Effect.suspend(() => {
      const { failed, lostAnswers, lostRequests, repeated } = this.faults
      const draw = this.random.next()
      if (this.isCut || draw < lostRequests) {
        this.fault()
        return Effect.never
      }
      if (draw < lostRequests + failed) {
        this.fault()
        const message = "the link says no"
        return Effect.fail(new CircuitStoreError({ key, operation, reason: "Unavailable", message }))
      }
      // A request is under way on its own: it arrives also if nobody waits for its answer any more.
      const answer = this.store.world.fork(Effect.andThen(this.way, Effect.sync(run)))
      if (draw < lostRequests + failed + repeated) {
        this.store.world.fork(Effect.andThen(Effect.sleep(this.random.between(0, 3000)), Effect.sync(run)))
      }
      return Effect.flatMap(Fiber.join(answer), (answer) => {
        if (!this.isCut && !this.random.chance(lostAnswers)) return Effect.as(this.way, answer)
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
