/** The queues that the tests rely on: what SQS's documentation says of them. */
import { assert, describe, it } from "@effect/vitest"
import { Queue } from "./SqsModel.ts"

const second = 1_000

describe("a queue", () => {
  it("hides what it gave out for the visibility timeout, and counts how often it did", () => {
    const queue = new Queue({ name: "q", visibilityTimeout: 30 })
    queue.send({ body: "a" }, 0)
    assert.strictEqual(queue.receive(10, 0)[0]?.attributes.ApproximateReceiveCount, "1")
    assert.strictEqual(queue.receive(10, 29 * second).length, 0)
    const [again] = queue.receive(10, 30 * second)
    assert.deepInclude(again?.attributes, {
      ApproximateReceiveCount: "2",
      ApproximateFirstReceiveTimestamp: "0",
      SentTimestamp: "0"
    })
  })

  it("counts the twelve hours of a visibility from when it gave the message out", () => {
    const queue = new Queue({ name: "q", visibilityTimeout: 60 })
    queue.send({ body: "a" }, 0)
    const [record] = queue.receive(1, 0)
    const handle = record?.receiptHandle ?? ""
    assert.throws(() => queue.changeVisibility(handle, 43_201, 0), /0 to 43200/)
    assert.throws(() => queue.changeVisibility(handle, 43_200, 10 * second), /beyond the limit/)
    queue.changeVisibility(handle, 43_190, 10 * second)
    assert.strictEqual(queue.receive(1, 43_199 * second).length, 0)
    assert.strictEqual(queue.receive(1, 43_200 * second).length, 1)
    assert.throws(() => queue.changeVisibility(handle, 1, 43_201 * second), /not valid/)
  })

  it("takes no handle of a message that is visible again", () => {
    const queue = new Queue({ name: "q" })
    queue.send({ body: "a" }, 0)
    const handle = queue.receive(1, 0)[0]?.receiptHandle ?? ""
    assert.throws(() => queue.changeVisibility(handle, 1, 31 * second), /not in flight/)
  })

  it("gives out as many as it is asked for, the oldest first", () => {
    const queue = new Queue({ name: "q" })
    for (const body of ["one", "two", "three"]) queue.send({ body }, 0)
    assert.deepStrictEqual(queue.receive(2, 0).map(({ body }) => body), ["one", "two"])
    assert.deepStrictEqual(queue.receive(2, 0).map(({ body }) => body), ["three"])
  })

  it("gives out anew, at once, what is made visible", () => {
    const queue = new Queue({ name: "q" })
    queue.send({ body: "a" }, 0)
    const handle = queue.receive(1, 0)[0]?.receiptHandle ?? ""
    queue.changeVisibility(handle, 0, second)
    assert.strictEqual(queue.receive(1, second).length, 1)
  })

  it("deletes by the latest handle, and takes earlier ones without doing anything", () => {
    const queue = new Queue({ name: "q" })
    queue.send({ body: "a" }, 0)
    const [first, latest] = [0, 30 * second].map((now) => queue.receive(1, now)[0]?.receiptHandle ?? "")
    queue.delete(first ?? "", 31 * second)
    assert.strictEqual(queue.all.length, 1)
    // Its time is over, and nobody else has it.
    queue.delete(latest ?? "", 90 * second)
    assert.strictEqual(queue.all.length, 0)
    queue.delete(latest ?? "", 90 * second)
    assert.throws(() => queue.delete("nobody's", 0), /not valid/)
  })

  it("moves what was given out often enough, instead of giving it out again", () => {
    const to = new Queue({ name: "dead" })
    const queue = new Queue({ name: "q", redrive: { maxReceiveCount: 2, to } })
    queue.send({ body: "a" }, 0)
    assert.strictEqual(queue.receive(1, 0).length, 1)
    assert.strictEqual(queue.receive(1, 30 * second).length, 1)
    assert.strictEqual(queue.receive(1, 60 * second).length, 0)
    assert.deepStrictEqual([queue.all.length, to.all.map(({ body }) => body)], [0, ["a"]])
  })

  it("delays what is sent with a delay, and forgets what it has kept for long enough", () => {
    const queue = new Queue({ name: "q", retention: 100 })
    queue.send({ body: "a", delaySeconds: 60 }, 0)
    assert.throws(() => queue.send({ body: "b", delaySeconds: 901 }, 0), /0 to 900/)
    assert.strictEqual(queue.receive(1, 59 * second).length, 0)
    assert.strictEqual(queue.receive(1, 60 * second).length, 1)
    assert.strictEqual(queue.receive(1, 100 * second).length, 0)
    assert.strictEqual(queue.all.length, 0)
  })

  it("takes ten attributes, named as SQS wants them", () => {
    const queue = new Queue({ name: "q" })
    const text = { dataType: "String", stringValue: "x" }
    const attributes = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`a${at}`, text]))
    queue.send({ body: "a", attributes: attributes(10) }, 0)
    assert.throws(() => queue.send({ body: "a", attributes: attributes(11) }, 0), /exceeds 10/)
    assert.throws(() => queue.send({ body: "a", attributes: { "AWS.x": text } }, 0), /is not one/)
    assert.throws(() => queue.send({ body: "a", attributes: { x: { dataType: "String", stringValue: "" } } }, 0))
  })
})

describe("a FIFO queue", () => {
  const fifo = () => {
    const queue = new Queue({ name: "q.fifo" })
    for (const [body, groupId] of [["a1", "a"], ["a2", "a"], ["b1", "b"]] as const) {
      queue.send({ body, groupId, deduplicationId: body }, 0)
    }
    return queue
  }
  const bodies = (records: ReadonlyArray<{ readonly body: string }>) => records.map(({ body }) => body)

  it("gives out a group in order, and nothing of it while a message of it is in flight", () => {
    const queue = fifo()
    const [first] = queue.receive(1, 0)
    assert.strictEqual(first?.body, "a1")
    assert.deepStrictEqual(bodies(queue.receive(10, 0)), ["b1"])
    queue.delete(first?.receiptHandle ?? "", 0)
    assert.deepStrictEqual(bodies(queue.receive(10, 0)), ["a2"])
  })

  it("deletes nothing whose time is over", () => {
    const queue = fifo()
    const handle = queue.receive(1, 0)[0]?.receiptHandle ?? ""
    assert.throws(() => queue.delete(handle, 30 * second), /expired/)
    assert.strictEqual(queue.all.length, 3)
  })

  it("gives out several of a group at once", () => {
    assert.deepStrictEqual(bodies(fifo().receive(10, 0)), ["a1", "a2", "b1"])
  })

  it("takes a message once, wants a group, and no delay", () => {
    const queue = fifo()
    queue.send({ body: "a1", groupId: "a", deduplicationId: "a1" }, 0)
    assert.strictEqual(queue.all.length, 3)
    assert.throws(() => queue.send({ body: "x", deduplicationId: "x" }, 0), /MessageGroupId/)
    assert.throws(
      () => queue.send({ body: "x", groupId: "x", deduplicationId: "x", delaySeconds: 1 }, 0),
      /DelaySeconds/
    )
  })
})
