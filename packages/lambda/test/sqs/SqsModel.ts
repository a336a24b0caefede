/**
 * Queues of SQS as its documentation describes them, without the chance in it: visibility, receive counts, redrive, delays,
 * groups, retention. All that passes is the time that it is given, in milliseconds since 1970.
 */
import type { SQSMessageAttributes, SQSRecord } from "aws-lambda"
import { createHash } from "node:crypto"

export const account = "123456789012"
export const region = "eu-central-1"

export interface QueueOptions {
  readonly name: string
  /** In seconds: 30 unless set, as in SQS. */
  readonly visibilityTimeout?: number
  /** In seconds: 4 days unless set, as in SQS. */
  readonly retention?: number
  readonly redrive?: { readonly maxReceiveCount: number; readonly to: Queue }
}

export interface Sending {
  readonly body: string
  readonly delaySeconds?: number | undefined
  readonly attributes?: SQSMessageAttributes
  readonly groupId?: string | undefined
  readonly deduplicationId?: string | undefined
}

export interface Message {
  readonly id: string
  readonly body: string
  readonly attributes: SQSMessageAttributes
  readonly groupId: string | undefined
  readonly sentAt: number
  visibleAt: number
  receives: number
  firstReceivedAt: number | undefined
  /** Of the latest time that it was given out. It is in flight until it is visible again. */
  receipt: { readonly handle: string; readonly at: number } | undefined
}

/** What SQS refuses, by the code that it answers with. */
export class SqsRefusal extends Error {
  override readonly name: string
  constructor(code: string, message: string) {
    super(message)
    this.name = code
  }
}

const refuse = (code: string, message: string): never => {
  throw new SqsRefusal(code, message)
}

/** What an act answers, or the refusal that it met. */
export const attempt = <A>(act: () => A): A | SqsRefusal => {
  try {
    return act()
  } catch (refusal) {
    if (refusal instanceof SqsRefusal) return refusal
    throw refusal
  }
}

const isInFlight = ({ receipt, visibleAt }: Message, now: number): boolean => receipt !== undefined && visibleAt > now

const longestVisibility = 43_200

export const md5 = (text: string): string => createHash("md5").update(text).digest("hex")

export class Queue {
  readonly options: QueueOptions
  readonly name: string
  readonly arn: string
  readonly isFifo: boolean
  private messages: Array<Message> = []
  private readonly taken = new Set<string>()
  /** All that it has ever given out. */
  private readonly handles = new Set<string>()
  private count = 0

  constructor(options: QueueOptions) {
    this.options = options
    this.name = options.name
    this.arn = `arn:aws:sqs:${region}:${account}:${options.name}`
    this.isFifo = options.name.endsWith(".fifo")
  }

  /** All that is there, in flight or not. */
  get all(): ReadonlyArray<Message> {
    return this.messages
  }

  send({ attributes = {}, body, deduplicationId, delaySeconds = 0, groupId }: Sending, now: number): string {
    if (body === "") refuse("MissingParameter", "The request must contain the parameter MessageBody.")
    if (Object.keys(attributes).length > 10) refuse("InvalidParameterValue", "Number of message attributes exceeds 10.")
    for (const [name, { binaryValue, stringValue }] of Object.entries(attributes)) {
      if (!/^(?!AWS\.|Amazon\.)[\w.-]{1,256}$/.test(name) || (stringValue ?? binaryValue ?? "") === "") {
        refuse("InvalidParameterValue", `The message attribute ${name} is not one.`)
      }
    }
    if (!Number.isInteger(delaySeconds) || delaySeconds < 0 || delaySeconds > 900) {
      refuse("InvalidParameterValue", `Value ${delaySeconds} for parameter DelaySeconds is invalid. Must be 0 to 900.`)
    }
    if (this.isFifo) {
      if (groupId === undefined) refuse("MissingParameter", "The request must contain the parameter MessageGroupId.")
      if (delaySeconds > 0) refuse("InvalidParameterValue", "DelaySeconds is invalid for a message of a FIFO queue.")
      if (deduplicationId === undefined) refuse("InvalidParameterValue", "There is no MessageDeduplicationId.")
    }
    const id = `${this.name}-${++this.count}`
    if (deduplicationId !== undefined) {
      if (this.taken.has(deduplicationId)) return id
      this.taken.add(deduplicationId)
    }
    const visibleAt = now + delaySeconds * 1_000
    const state = { receives: 0, firstReceivedAt: undefined, receipt: undefined }
    this.messages.push({ id, body, attributes, groupId, sentAt: now, visibleAt, ...state })
    return id
  }

  /** Gives out up to so many messages, as a poller of Lambda gets them. */
  receive(limit: number, now: number): ReadonlyArray<SQSRecord> {
    const { redrive, retention = 345_600, visibilityTimeout = 30 } = this.options
    this.messages = this.messages.filter(({ sentAt }) => now < sentAt + retention * 1_000)
    const given: Array<Message> = []
    // Groups of which a message was in flight before this.
    const blocked = new Set(
      this.isFifo ? this.messages.filter((message) => isInFlight(message, now)).map(({ groupId }) => groupId) : []
    )
    for (const message of this.messages.slice()) {
      if (given.length === limit) break
      if (message.visibleAt > now || (this.isFifo && blocked.has(message.groupId))) continue
      if (redrive !== undefined && message.receives >= redrive.maxReceiveCount) {
        this.remove(message)
        redrive.to.adopt(message, now)
        continue
      }
      message.receives++
      message.firstReceivedAt ??= now
      message.receipt = { handle: `${message.id}#${message.receives}`, at: now }
      message.visibleAt = now + visibilityTimeout * 1_000
      this.handles.add(message.receipt.handle)
      given.push(message)
    }
    return given.map((message) => this.toRecord(message))
  }

  changeVisibility(handle: string, seconds: number, now: number): void {
    if (!Number.isInteger(seconds) || seconds < 0 || seconds > longestVisibility) {
      refuse(
        "InvalidParameterValue",
        `Value ${seconds} for parameter VisibilityTimeout is invalid. Must be 0 to 43200.`
      )
    }
    const message = this.messages.find(({ receipt }) => receipt?.handle === handle)
    if (message?.receipt === undefined) {
      return refuse("ReceiptHandleIsInvalid", `The receipt handle ${handle} is not valid.`)
    }
    if (!isInFlight(message, now)) return refuse("MessageNotInflight", "The message is not in flight.")
    if (now + seconds * 1_000 - message.receipt.at > longestVisibility * 1_000) {
      refuse("InvalidParameterValue", "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
    }
    message.visibleAt = now + seconds * 1_000
  }

  /** A handle that is not the message's latest is taken, and does nothing. */
  delete(handle: string, now: number): void {
    if (!this.handles.has(handle)) refuse("ReceiptHandleIsInvalid", `The receipt handle ${handle} is not valid.`)
    const message = this.messages.find(({ receipt }) => receipt?.handle === handle)
    if (message === undefined) return
    if (this.isFifo && !isInFlight(message, now)) {
      refuse("InvalidParameterValue", `Value ${handle} for parameter ReceiptHandle is invalid. Reason: it has expired.`)
    }
    this.remove(message)
  }

  private adopt(message: Message, now: number): void {
    this.messages.push({ ...message, visibleAt: now, receipt: undefined })
  }

  private remove(message: Message): void {
    this.messages.splice(this.messages.indexOf(message), 1)
  }

  private toRecord(
    { attributes, body, firstReceivedAt = 0, groupId, id, receipt, receives, sentAt }: Message
  ): SQSRecord {
    return {
      messageId: id,
      receiptHandle: receipt?.handle ?? "",
      body,
      attributes: {
        ApproximateReceiveCount: String(receives),
        SentTimestamp: String(sentAt),
        SenderId: "AIDAIENQZJOLO23YVJ4VO",
        ApproximateFirstReceiveTimestamp: String(firstReceivedAt),
        ...(groupId === undefined ? {} : { MessageGroupId: groupId })
      },
      messageAttributes: attributes,
      md5OfBody: md5(body),
      eventSource: "aws:sqs",
      eventSourceARN: this.arn,
      awsRegion: region
    }
  }
}
