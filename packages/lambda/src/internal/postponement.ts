/** For how long a message can be kept back, and whether it is better sent anew: the rules of SQS, as functions. */
import type * as AwsLambda from "aws-lambda"

/** The longest that a message may be kept back, counted from when it was received, in seconds. */
const longestVisibility = 43_200
/** The longest that a message may be delayed as it is sent, in seconds. */
const longestDelay = 900
/** The longest that a poller of Lambda collects messages before it calls the function, in milliseconds. */
const longestWindow = 300_000
/** Clocks differ, and requests take their time, in milliseconds. */
const allowance = 60_000

export const receivesOf = ({ attributes }: AwsLambda.SQSRecord): number => Number(attributes.ApproximateReceiveCount)

/** How a message of a batch may be kept back. Times are in milliseconds, moments since 1970. */
export interface Situation {
  readonly record: AwsLambda.SQSRecord
  /** Until when it should be kept back. */
  readonly until: number
  readonly now: number
  /** When the invocation began. */
  readonly invokedAt: number
  /** For how long the queue keeps a message, if that is known. */
  readonly retention: number | undefined
}

/** In seconds. With 0 a message comes back at once, and a queue without a delay of its own sends one at once. */
const shortest = 1

/**
 * For how much of the time that a message has left it may wait, in milliseconds: up to a minute before it expires, so that
 * it is received once more, and half of the last two minutes, so that it does not come back again and again. A message that
 * should be gone is kept by its queue for longer than the options say.
 */
const withinLife = (left: number): number => left > 0 ? Math.max(left - allowance, left / 2) : Number.POSITIVE_INFINITY

/**
 * Returns for how many seconds a message is made invisible, at least 1: until the moment, and not past the 12 hours after
 * which SQS gives it out in any case, since it refuses longer ones; nor for all the time that the message has left.
 */
export const visibilitySeconds = ({ invokedAt, now, record, retention, until }: Situation): number => {
  const { ApproximateFirstReceiveTimestamp, SentTimestamp } = record.attributes
  // SQS tells of the first time alone that it gave a message out.
  const receivedAt = receivesOf(record) === 1 ? Number(ApproximateFirstReceiveTimestamp) : invokedAt - longestWindow
  const allowed = longestVisibility * 1_000 - Math.max(0, now - receivedAt) - allowance
  const kept = retention === undefined ? allowed : withinLife(Number(SentTimestamp) + retention - now)
  return Math.max(
    shortest,
    Math.min(Math.ceil((until - now) / 1_000), Math.floor(Math.min(allowed, kept) / 1_000))
  )
}

/** Returns for how many seconds a renewed message is delayed, 1 to 900. */
export const delaySeconds = (until: number, now: number, retention: number | undefined): number => {
  const kept = retention === undefined ? Number.POSITIVE_INFINITY : Math.floor(withinLife(retention) / 1_000)
  return Math.max(shortest, Math.min(longestDelay, Math.ceil((until - now) / 1_000), kept))
}

export const isFifo = ({ eventSourceARN }: AwsLambda.SQSRecord): boolean => eventSourceARN.endsWith(".fifo")
