/** A batch of messages: each is handled, judged, and answered for. */
import type * as AwsLambda from "aws-lambda"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import { DeadLetter } from "../DeadLetter.ts"
import { LambdaContext } from "../LambdaContext.ts"
import { MalformedMessage } from "../MalformedMessage.ts"
import { SqsQueue } from "../SqsQueue.ts"
import { attributesWith, maxAttributes } from "./attributes.ts"
import { delaySeconds, isFifo, receivesOf, visibilitySeconds } from "./postponement.ts"
import { waitFor } from "./waiting.ts"
import { within } from "./within.ts"

/** Options that were checked. Times are in milliseconds. */
export interface BatchSettings {
  readonly concurrency: number
  readonly deadlineMargin: number
  readonly retention: number | undefined
  readonly renewal: { readonly maxReceiveCount: number; readonly maxAge: number } | undefined
  readonly queueUrl: string | undefined
}

/** What becomes of a message: it is done; or it stays, and comes again by itself or at a moment. */
type Fate =
  | { readonly _tag: "Done" }
  | { readonly _tag: "Stays" }
  | { readonly _tag: "KeptBack"; readonly until: number }

interface Settled {
  readonly record: AwsLambda.SQSRecord
  readonly fate: Fate
}

const done = Effect.succeed<Fate>({ _tag: "Done" })

/** What stays without being kept back is told of. */
const stays = (record: AwsLambda.SQSRecord, why: string, ...cause: ReadonlyArray<unknown>): Effect.Effect<Fate> =>
  Effect.as(warn(record, why, ...cause), { _tag: "Stays" })

/** How long a queue is waited for, in milliseconds: enough for the SDK to try twice where an attempt takes 5 seconds. */
const longestRequest = 10_000

/** How long one that was interrupted may take to end, in milliseconds. */
const longestEnd = 1_000

/** By how much a message may come later than it has to wait, at most, in milliseconds. */
const longestSpread = 60_000

/** Returns the attribute that a renewal has set on a message. */
const renewedFrom = ({ messageAttributes }: AwsLambda.SQSRecord, name: string): string | undefined =>
  messageAttributes[name]?.stringValue

/** How often a message was received, as itself and as those that it was renewed from. */
const allReceivesOf = (record: AwsLambda.SQSRecord): number => {
  const earlier = Number(renewedFrom(record, "reclose.receives") ?? 0)
  // A sender to the queue can set the attribute, too.
  return receivesOf(record) + (Number.isSafeInteger(earlier) ? Math.max(0, earlier) : 0)
}

export const runBatch = <E, R>(
  event: AwsLambda.SQSEvent,
  handle: (record: AwsLambda.SQSRecord) => Effect.Effect<unknown, E, R>,
  settings: BatchSettings
): Effect.Effect<AwsLambda.SQSBatchResponse, never, R | SqsQueue | DeadLetter | LambdaContext> =>
  Effect.gen(function*() {
    const context = yield* LambdaContext
    const queue = yield* SqsQueue
    const deadLetter = yield* DeadLetter
    const invokedAt = yield* Clock.currentTimeMillis
    const remaining = () => Math.max(0, context.getRemainingTimeInMillis())
    const margin = Math.min(settings.deadlineMargin, remaining() / 2)
    const left = () => remaining() - margin
    const queueOf = (record: AwsLambda.SQSRecord) => settings.queueUrl ?? record.eventSourceARN

    let notBegun = 0

    /** Runs what belongs to a message within the time of the batch. */
    const inTime = <A, E2, R2>(effect: Effect.Effect<A, E2, R2>) => within(effect, left(), () => remaining() / 4)

    /** Asks something of a queue within this many milliseconds: one that hangs must not use up the invocation. */
    const ask = <A, E2, R2>(effect: Effect.Effect<A, E2, R2>, time: number) =>
      within(effect, Math.min(time, longestRequest), () => Math.min(remaining() / 4, longestEnd))

    const settle = (record: AwsLambda.SQSRecord): Effect.Effect<Fate, never, R> =>
      Effect.suspend(() => {
        if (left() <= 0) {
          notBegun++
          return Effect.succeed<Fate>({ _tag: "Stays" })
        }
        return Effect.flatMap(inTime(Effect.suspend(() => handle(record))), (exit) => {
          if (exit === undefined) return stays(record, "was interrupted, since time is up")
          return Exit.isSuccess(exit) ? done : judge(record, exit.cause)
        })
      })

    const judge = (record: AwsLambda.SQSRecord, cause: Cause.Cause<E>): Effect.Effect<Fate> => {
      const error = Cause.squash(cause)
      if (error instanceof MalformedMessage) return bury(record, error.reason)
      const wait = waitFor(error, allReceivesOf(record))
      if (wait !== undefined) return postpone(record, wait)
      return stays(record, "failed, and stays in its queue", cause)
    }

    const bury = (record: AwsLambda.SQSRecord, reason: string): Effect.Effect<Fate> =>
      Effect.flatMap(ask(deadLetter.send(record, reason), left()), (exit) =>
        exit !== undefined && Exit.isSuccess(exit)
          ? done
          : stays(record, `is malformed (${reason}) and stays in its queue: it could not be moved`, causeOf(exit)))

    const postpone = (record: AwsLambda.SQSRecord, wait: number): Effect.Effect<Fate> =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const until = now + wait + (yield* Random.next) * Math.min(wait, longestSpread)
        const keptBack: Fate = { _tag: "KeptBack", until }
        const { renewal } = settings
        if (renewal === undefined || isFifo(record) || receivesOf(record) < renewal.maxReceiveCount - 1) return keptBack
        return (yield* renew(record, until, now, renewal.maxAge)) ? yield* done : keptBack
      })

    /** Sends a message again as a new one. The old one is done then, and takes its receives with it. */
    const renew = (record: AwsLambda.SQSRecord, until: number, now: number, maxAge: number): Effect.Effect<boolean> => {
      const { attributes, body, messageAttributes, messageId } = record
      const firstSent = renewedFrom(record, "reclose.firstSent") ?? attributes.SentTimestamp
      if (!(now - Number(firstSent) <= maxAge)) return Effect.as(warn(record, "is too old to be sent anew"), false)
      const renewed = attributesWith(messageAttributes, {
        "reclose.originalId": renewedFrom(record, "reclose.originalId") ?? messageId,
        "reclose.firstSent": firstSent,
        "reclose.receives": String(allReceivesOf(record))
      }, Number.POSITIVE_INFINITY)
      if (Object.keys(renewed).length > maxAttributes) {
        return Effect.as(
          warn(record, "has too many attributes to be sent anew: three more, and at most 10 in all"),
          false
        )
      }
      const sending = queue.send({
        queue: queueOf(record),
        body,
        delaySeconds: delaySeconds(until, now, settings.retention),
        attributes: renewed,
        groupId: attributes.MessageGroupId
      })
      return Effect.flatMap(ask(sending, left()), (exit) =>
        exit !== undefined && Exit.isSuccess(exit)
          ? Effect.succeed(true)
          : Effect.as(warn(record, "could not be sent anew, and is kept back instead", causeOf(exit)), false))
    }

    const runLane = (records: ReadonlyArray<AwsLambda.SQSRecord>): Effect.Effect<ReadonlyArray<Settled>, never, R> =>
      Effect.gen(function*() {
        const settled: Array<Settled> = []
        let fate = yield* done
        for (const record of records) {
          // After one that stays, so does the rest of its group, or it would overtake.
          if (fate._tag === "Done") fate = yield* settle(record)
          settled.push({ record, fate })
        }
        return settled
      })

    const keepBack = (settled: ReadonlyArray<Settled>): Effect.Effect<void> =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const byHandle = new Map(settled.map(({ record }) => [record.receiptHandle, record]))
        const byQueue = Arr.groupBy(
          settled.flatMap(({ fate, record }) => fate._tag === "KeptBack" ? [{ record, until: fate.until }] : []),
          ({ record }) => queueOf(record)
        )
        for (const [name, kept] of Object.entries(byQueue)) {
          const changes = kept.map(({ record, until }) => ({
            receiptHandle: record.receiptHandle,
            seconds: visibilitySeconds({ record, until, now, invokedAt, retention: settings.retention })
          }))
          const exit = yield* ask(queue.changeVisibility(name, changes), remaining() / 2)
          if (exit === undefined || Exit.isFailure(exit)) {
            yield* Effect.logWarning(
              `${kept.length} messages could not be kept back: they come again after the visibility timeout of their queue`,
              causeOf(exit)
            )
            continue
          }
          for (const { reason, receiptHandle } of exit.value) {
            const record = byHandle.get(receiptHandle)
            if (record !== undefined) yield* warn(record, `could not be kept back: ${reason}`)
          }
        }
      })

    const lanes = yield* Effect.forEach(lanesOf(event.Records), runLane, { concurrency: settings.concurrency })
    const settled = lanes.flat()
    if (notBegun > 0) yield* Effect.logWarning(`${notBegun} messages were not begun, since time is up`)
    yield* keepBack(settled)
    return {
      batchItemFailures: settled
        .filter(({ fate }) => fate._tag !== "Done")
        .map(({ record }) => ({ itemIdentifier: record.messageId }))
    }
  })

/** Messages that have to be handled one after the other: those of a group of a FIFO queue. */
const lanesOf = (records: ReadonlyArray<AwsLambda.SQSRecord>): ReadonlyArray<ReadonlyArray<AwsLambda.SQSRecord>> =>
  Object.values(Arr.groupBy(records, (record) =>
    // Other queues may have groups as well, which say nothing about an order.
    isFifo(record) ? `${record.eventSourceARN} ${record.attributes.MessageGroupId}` : record.receiptHandle))

const causeOf = (exit: Exit.Exit<unknown, unknown> | undefined): Cause.Cause<unknown> =>
  exit !== undefined && Exit.isFailure(exit) ? exit.cause : Cause.fail("there was no time")

const warn = (record: AwsLambda.SQSRecord, what: string, ...cause: ReadonlyArray<unknown>): Effect.Effect<void> =>
  Effect.logWarning(`Message ${record.messageId} ${what}`, ...cause)
