/**
 * A day in the worker's life, in seconds: jobs come in, one dependency fails, its circuit opens for all containers, its
 * jobs go back to the queue, the containers die and others take over, the dependency recovers, the queue drains.
 */
import type { SQSEvent } from "aws-lambda"
import { Clock, Effect, PubSub, Schema, Stream } from "effect"
import { poll } from "../../../../packages/lambda/test/sqs/EventSource.ts"
import type { Cloud } from "./Cloud.ts"
import * as CloudModule from "./Cloud.ts"
import * as Upstream from "./Upstream.ts"

/** Something that happened, in milliseconds from the start. */
export type News =
  | { readonly _tag: "Story"; readonly at: number; readonly text: string }
  | {
    readonly _tag: "Transition"
    readonly at: number
    readonly circuit: string
    readonly from: string
    readonly to: string
    readonly reason: string
  }

/** How the day ended. */
export interface Outcome {
  readonly sent: number
  /** Jobs that a dependency has answered with success, each counted once. */
  readonly done: number
  /** Jobs that are still in the queue, or among the dead letters. */
  readonly left: number
  readonly dead: number
  /** Requests that came to the sick dependency while it was sick. */
  readonly wasted: number
  /** Jobs for it that were handed out meanwhile, each of which would have been such a request. */
  readonly attempted: number
  /** How often a job was put back into the queue. */
  readonly returned: number
  /** Jobs for the other dependency that were done while the sick one was sick. */
  readonly untouched: number
  readonly containers: number
  readonly millis: number
}

interface Names {
  readonly quotes: Upstream.Upstream
  readonly orders: Upstream.Upstream
}

/** What the worker is told about the day's circuits. */
const policy = {
  circuits: {
    tripRule: { _tag: "Consecutive", failures: 3 },
    openDuration: "1 second",
    maxOpenDuration: "1 second",
    halfOpen: { maxDuration: "1 second" },
    refreshEvery: "200 millis"
  },
  // Quotes fails at once. Whoever is slow is this machine.
  http: { timeLimits: { headers: "10 seconds" } }
}

/**
 * Each thing happens when what comes before it has had its effect, however fast this machine is; times are in milliseconds.
 * A day that does not get on goes on at its end, with whatever is left.
 */
const script = { gap: 40, healthyJobs: 15, sickJobs: 40, pause: 700, endsAt: 60_000 }

/** The lines that `EmbeddedMetrics` writes about a circuit whose phase has changed. */
const MetricsLine = Schema.fromJsonString(
  Schema.Struct({
    circuit: Schema.String,
    transitions: Schema.Array(Schema.Struct({ from: Schema.String, to: Schema.String, reason: Schema.String }))
  })
)

const transitionsIn = (line: string) =>
  Effect.match(Schema.decodeEffect(MetricsLine)(line), {
    onFailure: () => [],
    onSuccess: ({ circuit, transitions }) => transitions.map((transition) => ({ circuit, ...transition }))
  })

/** Lives through it, telling what happens. */
export const live = Effect.fnUntraced(function*(tell: (news: News) => Effect.Effect<void>) {
  const names: Names = { quotes: yield* Upstream.serve(), orders: yield* Upstream.serve() }
  const cloud = yield* CloudModule.open({
    origins: [names.quotes.url, names.orders.url],
    policy,
    // Longer than any job may take, and no longer: what a dead container held has to come back within the day.
    visibilityTimeout: 2
  })
  return yield* play(cloud, names, tell)
}, Effect.scoped)

const play = Effect.fnUntraced(function*(cloud: Cloud, names: Names, tell: (news: News) => Effect.Effect<void>) {
  const { containers, deadLetters, queue } = cloud
  const startedAt = yield* Clock.currentTimeMillis
  const elapsed = Effect.map(Clock.currentTimeMillis, (now) => now - startedAt)
  const until = (holds: () => boolean) =>
    Effect.gen(function*() {
      while (!holds() && (yield* elapsed) < script.endsAt) yield* Effect.sleep("20 millis")
    })
  const story = (text: string) => Effect.flatMap(elapsed, (at) => tell({ _tag: "Story", at, text }))
  const nameOf = (circuit: string) => Object.entries(names).find(([, { url }]) => circuit === url)?.[0] ?? circuit

  /** Why the circuit of quotes has changed, in the order in which it was told. */
  const reasons: Array<string> = []
  const hear = ({ circuit, ...change }: { circuit: string; from: string; to: string; reason: string }) =>
    Effect.flatMap(elapsed, (at) => {
      if (circuit === names.quotes.url) reasons.push(change.reason)
      return tell({ _tag: "Transition", at, circuit: nameOf(circuit), ...change })
    })
  const lines = yield* PubSub.subscribe(containers.logs)
  yield* Effect.forkScoped(
    Stream.fromSubscription(lines).pipe(
      Stream.mapEffect(transitionsIn),
      Stream.runForEach((transitions) => Effect.forEach(transitions, hear))
    )
  )

  let sent = 0
  let isOver = false
  const send = Effect.gen(function*() {
    while (!isOver && (yield* elapsed) < script.endsAt) {
      const [name, { url }] = sent % 2 === 0 ? ["orders", names.orders] as const : ["quotes", names.quotes] as const
      const job = {
        id: `${name}-${sent}`,
        request: { method: "POST", url: `${url}/${name}/${sent}`, body: { nth: sent } }
      }
      queue.send({ body: JSON.stringify(job) }, yield* Clock.currentTimeMillis)
      sent++
      yield* Effect.sleep(script.gap)
    }
    yield* story(`the last of ${sent} jobs is in the queue`)
  })

  let attempted = 0
  let wasted = 0
  let returned = 0
  let untouched = 0
  const back = (messages: ReadonlyArray<unknown>) =>
    Effect.sync(() => {
      returned += messages.length
    })
  const invoke = (event: SQSEvent) =>
    Effect.suspend(() => {
      if (names.quotes.health !== "healthy") {
        attempted += event.Records.filter(({ body }) => body.includes(names.quotes.url)).length
      }
      return cloud.invokeBatch(event).pipe(
        Effect.tap(({ batchItemFailures }) => back(batchItemFailures)),
        Effect.tapError(() => back(event.Records))
      )
    })

  const fate = Effect.gen(function*() {
    yield* until(() => names.quotes.done.size >= script.healthyJobs)
    names.quotes.health = "failing"
    const before = { quotes: names.quotes.received.length, orders: names.orders.done.size }
    yield* story("quotes falls ill: it answers 503. orders is well")
    yield* until(() => reasons.includes("Tripped"))
    yield* Effect.sleep(script.pause)
    const killed = yield* containers.kill
    reasons.length = 0
    yield* story(`${killed} containers die. The ones that take over have never seen quotes fail`)
    yield* until(() => reasons.includes("ProbeFailed") && attempted >= script.sickJobs)
    wasted = names.quotes.received.length - before.quotes
    untouched = names.orders.done.size - before.orders
    names.quotes.health = "healthy"
    yield* story("quotes is well again")
    yield* until(() => reasons.includes("ProbesSucceeded"))
    yield* Effect.sleep(script.pause)
    isOver = true
  })

  yield* story("jobs come in for quotes and orders, and containers take them in batches")
  yield* Effect.forkScoped(poll(queue, { batchSize: 5, concurrency: 2 }, invoke))
  yield* Effect.all([send, fate], { concurrency: "unbounded", discard: true })
  yield* until(() => queue.all.length === 0)
  const millis = yield* elapsed
  yield* story(queue.all.length === 0 ? "the queue is empty" : `${queue.all.length} jobs are left in the queue`)
  const outcome: Outcome = {
    sent,
    done: names.quotes.done.size + names.orders.done.size,
    left: queue.all.length,
    dead: deadLetters.all.length,
    wasted,
    attempted,
    returned,
    untouched,
    containers: containers.started(),
    millis
  }
  return outcome
})
