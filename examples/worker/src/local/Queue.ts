/**
 * A standard queue of SQS by its documented rules: a message that is received is invisible until its visibility timeout
 * is over, and one that was received too often goes to the dead letters. Times are in milliseconds since 1970.
 */
export interface Attribute {
  readonly DataType: string
  readonly StringValue?: string
}

export interface Message {
  readonly id: string
  readonly body: string
  readonly attributes: Readonly<Record<string, Attribute>>
  readonly sentAt: number
  /** How often it was received. */
  readonly receives: number
  readonly firstReceivedAt: number | undefined
  readonly visibleAt: number
  /** Of the latest receipt. Every receipt has another one. */
  readonly receipt: string | undefined
}

export interface QueueOptions {
  readonly name: string
  /** For how long a message that was received is invisible, unless that is changed: 30 seconds unless set. */
  readonly visibilityTimeout?: number
  /** A message that was received so often goes to the dead letters when it would be received again. */
  readonly redrive?: { readonly maxReceiveCount: number; readonly deadLetters: Queue }
}

/** From the receipt of a message on, and no longer. */
const longestVisibility = 12 * 3_600_000

export class Queue {
  readonly name: string
  readonly visibilityTimeout: number
  private readonly redrive: QueueOptions["redrive"]
  private readonly messages = new Map<string, Message>()
  private readonly receivedAt = new Map<string, number>()
  private count = 0

  constructor({ name, redrive, visibilityTimeout = 30_000 }: QueueOptions) {
    this.name = name
    this.redrive = redrive
    this.visibilityTimeout = visibilityTimeout
  }

  send(body: string, attributes: Message["attributes"], delay: number, now: number): Message {
    const id = `${this.name}-${++this.count}`
    const message: Message = {
      id,
      body,
      attributes,
      sentAt: now,
      receives: 0,
      firstReceivedAt: undefined,
      visibleAt: now + delay,
      receipt: undefined
    }
    this.messages.set(id, message)
    return message
  }

  receive(most: number, now: number): ReadonlyArray<Message> {
    const received: Array<Message> = []
    for (const message of this.messages.values()) {
      if (received.length === most) break
      if (message.visibleAt > now) continue
      if (this.redrive !== undefined && message.receives >= this.redrive.maxReceiveCount) {
        this.messages.delete(message.id)
        this.redrive.deadLetters.take(message, now)
        continue
      }
      const receives = message.receives + 1
      const next: Message = {
        ...message,
        receives,
        firstReceivedAt: message.firstReceivedAt ?? now,
        visibleAt: now + this.visibilityTimeout,
        receipt: `${message.id}#${receives}`
      }
      this.messages.set(message.id, next)
      this.receivedAt.set(message.id, now)
      received.push(next)
    }
    return received
  }

  /** Says whether there was such a message. A receipt of an earlier time may be refused by SQS, and is here. */
  remove(receipt: string): boolean {
    const message = this.find(receipt)
    return message !== undefined && this.messages.delete(message.id)
  }

  /** Says what is wrong with it, if anything is. */
  changeVisibility(receipt: string, timeout: number, now: number): "NotInFlight" | "TooLong" | undefined {
    const message = this.find(receipt)
    if (message === undefined || message.visibleAt <= now) return "NotInFlight"
    const receivedAt = this.receivedAt.get(message.id) ?? now
    if (now + timeout > receivedAt + longestVisibility) return "TooLong"
    this.messages.set(message.id, { ...message, visibleAt: now + timeout })
    return undefined
  }

  all(): ReadonlyArray<Message> {
    return [...this.messages.values()]
  }

  private take(message: Message, now: number): void {
    this.messages.set(message.id, { ...message, visibleAt: now, receipt: undefined })
  }

  private find(receipt: string): Message | undefined {
    return [...this.messages.values()].find((message) => message.receipt === receipt)
  }
}
