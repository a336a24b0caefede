/** What the tests of batches share: queues of the model, a function between them, on the test's clock. */
import { CircuitBreaker, CircuitStore, type Policy, withBreaker } from "@reclose/core"
import { DeadLetter, type LambdaContext, LambdaContext as Invocation, SqsBatch, SqsQueue } from "@reclose/lambda"
import { Cause, Clock, Effect, Layer, Logger, Random } from "effect"
import { deliver } from "../sqs/EventSource.ts"
import { modelQueue } from "../sqs/modelQueue.ts"
import { Queue } from "../sqs/SqsModel.ts"
import { contextOf } from "../support.ts"

export const hour = 3_600_000
const malformedUrl = "https://sqs.eu-central-1.amazonaws.com/123456789012/malformed"

export interface World {
  readonly queue: Queue
  readonly dead: Queue
  readonly malformed: Queue
  readonly lines: Array<string>
}

export const worldOf = (
  options: {
    readonly name?: string
    readonly maxReceiveCount?: number
    readonly retention?: number
    readonly visibilityTimeout?: number
  } = {}
): World => {
  const dead = new Queue({ name: "dead" })
  return {
    dead,
    malformed: new Queue({ name: "malformed" }),
    lines: [],
    queue: new Queue({
      name: options.name ?? "orders",
      visibilityTimeout: options.visibilityTimeout ?? 120,
      ...(options.retention === undefined ? {} : { retention: options.retention }),
      ...(options.maxReceiveCount === undefined
        ? {}
        : { redrive: { maxReceiveCount: options.maxReceiveCount, to: dead } })
    })
  }
}

export type Services = SqsQueue | DeadLetter | LambdaContext

/** What a function gets, with an invocation of so many milliseconds. */
export const provided =
  (world: World, millis = 30_000, queue: Layer.Layer<SqsQueue> = modelQueue(world.queue, world.malformed)) =>
  <A, E, R>(effect: Effect.Effect<A, E, R | Services>) => {
    const logger = Logger.make<unknown, void>(({ cause, message }) =>
      void world.lines.push(`${String(message)}: ${Cause.pretty(cause)}`)
    )
    const services = Layer.mergeAll(
      DeadLetter.layer({ queueUrl: malformedUrl }).pipe(Layer.provideMerge(queue)),
      Layer.effect(Invocation, contextOf(millis)),
      Logger.layer([logger])
    )
    return Effect.provide(effect, services) as Effect.Effect<A, E, Exclude<R, Services>>
  }

/** Gives the function a batch. Answers how many messages it was given. */
export const run = <E, R>(
  world: World,
  handle: SqsBatch.HandleRecord<E, R>,
  options: SqsBatch.Options = {},
  environment: { readonly millis?: number; readonly queue?: Layer.Layer<SqsQueue> } = {}
) =>
  provided(world, environment.millis, environment.queue)(
    deliver(world.queue, 10, (event) => SqsBatch.process(event, handle, options))
  )

export const sendAll = (
  queue: Queue,
  bodies: ReadonlyArray<string>,
  groupOf: (body: string) => string | undefined = () => undefined
) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    for (const body of bodies) {
      const groupId = groupOf(body)
      queue.send({ body, groupId, deduplicationId: groupId === undefined ? undefined : body }, now)
    }
  })

export const bodies = ({ all }: Queue) => all.map(({ body }) => body)
export const visibleIn = (queue: Queue, now: number) => queue.all.map(({ visibleAt }) => visibleAt - now)

/** Chance that is always the same: nothing is added to a wait. */
export const withoutSpread = Effect.provideService(Random.Random, {
  nextDoubleUnsafe: () => 0,
  nextIntUnsafe: () => 0
})

export const Breakers = (policy: Policy.Policy = {}) =>
  CircuitBreaker.layer(policy).pipe(Layer.provide(CircuitStore.layerMemory))
export const forceOpen = (key: string) => Effect.flatMap(CircuitBreaker, ({ forceOpen }) => forceOpen(key))

export const release = (key: string) => Effect.flatMap(CircuitBreaker, ({ release }) => release(key))

/** Opens a circuit by failures, as no operator does. */
export const open = (key: string) => Effect.repeat(Effect.exit(withBreaker(Effect.fail("down"), key)), { times: 100 })
