/** The queue that stands for SQS on this machine, by the rules that SQS documents. */
import { assert, describe, it } from "@effect/vitest"
import { Queue } from "../../src/local/Queue.ts"
import { makeQueues } from "../../src/local/Sqs.ts"

const seconds = (count: number) => count * 1_000

const receiptOf = (queue: Queue, now: number): string => {
  const [message] = queue.receive(1, now)
  assert.isDefined(message?.receipt)
  return message?.receipt ?? ""
}

describe("a queue", () => {
  it("hides a message that was received until its visibility timeout is over", () => {
    const queue = new Queue({ name: "jobs", visibilityTimeout: seconds(30) })
    queue.send("one", {}, 0, 0)
    assert.deepStrictEqual(queue.receive(10, 0).map(({ body, receives }) => [body, receives]), [["one", 1]])
    assert.isEmpty(queue.receive(10, seconds(30) - 1))
    const [again] = queue.receive(10, seconds(30))
    assert.deepStrictEqual([again?.receives, again?.firstReceivedAt], [2, 0])
  })

  it("hands out as many as it is asked for, the oldest first", () => {
    const queue = new Queue({ name: "jobs" })
    for (const body of ["one", "two", "three"]) queue.send(body, {}, 0, 0)
    assert.deepStrictEqual(queue.receive(2, 0).map(({ body }) => body), ["one", "two"])
    assert.deepStrictEqual(queue.receive(2, 0).map(({ body }) => body), ["three"])
  })

  it("holds back a message that was sent with a delay", () => {
    const queue = new Queue({ name: "jobs" })
    queue.send("later", {}, seconds(5), 0)
    assert.isEmpty(queue.receive(10, seconds(5) - 1))
    assert.lengthOf(queue.receive(10, seconds(5)), 1)
  })

  it("removes a message by its receipt, and by no other", () => {
    const queue = new Queue({ name: "jobs", visibilityTimeout: seconds(1) })
    queue.send("one", {}, 0, 0)
    const first = receiptOf(queue, 0)
    const second = receiptOf(queue, seconds(1))
    assert.isFalse(queue.remove(first))
    assert.isTrue(queue.remove(second))
    assert.isEmpty(queue.all())
  })

  it("lets a message in flight come back later, or at once", () => {
    const queue = new Queue({ name: "jobs", visibilityTimeout: seconds(30) })
    queue.send("one", {}, 0, 0)
    assert.isUndefined(queue.changeVisibility(receiptOf(queue, 0), seconds(60), seconds(1)))
    assert.isEmpty(queue.receive(1, seconds(61) - 1))
    assert.isUndefined(queue.changeVisibility(receiptOf(queue, seconds(61)), 0, seconds(62)))
    assert.lengthOf(queue.receive(1, seconds(62)), 1)
  })

  it("refuses to hide a message that is not in flight, or for more than twelve hours from its receipt", () => {
    const queue = new Queue({ name: "jobs", visibilityTimeout: seconds(30) })
    queue.send("one", {}, 0, 0)
    const receipt = receiptOf(queue, 0)
    assert.strictEqual(queue.changeVisibility(receipt, seconds(43_200), seconds(1)), "TooLong")
    assert.isUndefined(queue.changeVisibility(receipt, seconds(43_199), seconds(1)))
    assert.strictEqual(queue.changeVisibility("jobs-1#7", seconds(1), seconds(1)), "NotInFlight")
    assert.strictEqual(queue.changeVisibility(receipt, seconds(1), seconds(43_201)), "NotInFlight")
  })

  it("moves a message to the dead letters instead of handing it out once too often", () => {
    const { deadLetters, queue } = makeQueues({ name: "jobs", visibilityTimeout: seconds(1), maxReceiveCount: 2 })
    queue.send("one", {}, 0, 0)
    assert.lengthOf(queue.receive(1, seconds(0)), 1)
    assert.lengthOf(queue.receive(1, seconds(1)), 1)
    assert.isEmpty(queue.receive(1, seconds(2)))
    assert.isEmpty(queue.all())
    assert.deepStrictEqual(deadLetters.all().map(({ body, receives }) => [body, receives]), [["one", 2]])
  })
})
