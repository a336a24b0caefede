/**
 * Hands events to whoever listens. Publishing is synchronous and bounded: each subscriber has a sliding buffer of its
 * own, so one that is slow or dead loses its oldest events and holds up nobody.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

const bufferSize = 256

type Subscriber<A> = Queue.Queue<A, Cause.Done>

export class EventBus<A> {
  private readonly subscribers = new Set<Subscriber<A>>()
  private readonly lost: A | undefined
  private ended = false

  /** What a subscriber that lost events gets as its newest, where it has to know. */
  constructor(lost?: A) {
    this.lost = lost
  }

  publish(event: A): void {
    for (const subscriber of this.subscribers) {
      Queue.offerUnsafe(subscriber, this.lost !== undefined && Queue.isFullUnsafe(subscriber) ? this.lost : event)
    }
  }

  /** Ends every subscription, of now and of later. */
  end(): void {
    this.ended = true
    for (const subscriber of this.subscribers) Queue.endUnsafe(subscriber)
  }

  /** The events from the moment the stream is run. */
  get stream(): Stream.Stream<A> {
    return Stream.unwrap(Effect.map(this.subscribe, Stream.fromQueue))
  }

  private get subscribe(): Effect.Effect<Subscriber<A>, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.tap(Queue.sliding<A, Cause.Done>(bufferSize), (queue) =>
        Effect.sync(() => {
          this.subscribers.add(queue)
          if (this.ended) Queue.endUnsafe(queue)
        })),
      (queue) => Effect.andThen(Effect.sync(() => this.subscribers.delete(queue)), Queue.shutdown(queue))
    )
  }
}
