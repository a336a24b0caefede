/**
 * What becomes of messages and settings that are wrong: the bundle that would be deployed, in containers of their own,
 * between a queue, its dead letters and a dependency.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { type Message } from "../../../packages/lambda/test/sqs/SqsModel.ts"
import { file } from "./policyFile.ts"
import { start, type World } from "./World.ts"

const reasonOf = ({ attributes }: Message): string => attributes["reclose.reason"]?.stringValue ?? ""

const bodies = (messages: ReadonlyArray<Message>) => messages.map(({ body }) => body)

/** A function of the bundle: containers have to start, on a machine that has other things to do. */
const timeout = 60_000

/** Malformed messages by what is wrong with them, for a worker that may call an origin. */
const malformed = (origin: string): ReadonlyArray<readonly [what: string, body: string, reason: RegExp]> => {
  const request = { method: "GET", url: `${origin}/latest` }
  const job = (id: string, differs: object) => JSON.stringify({ id, request: { ...request, ...differs } })
  return [
    ["no JSON", "not json", /JSON/],
    ["blank text", " ", /JSON/],
    ["another shape", `["a", "b"]`, /object/],
    ["an event of somebody else's", JSON.stringify({ Type: "Notification", Message: "hello" }), /id/],
    ["no id", JSON.stringify({ request }), /id/],
    ["no request", JSON.stringify({ id: "no-request" }), /request/],
    ["a method of its own", job("method", { method: "BREW" }), /method/],
    ["no URL", job("no-url", { url: "latest" }), /url/],
    ["another scheme", job("scheme", { url: "file:///etc/passwd" }), /http or https/],
    ["a password", job("password", { url: origin.replace("//", "//me:secret@") }), /without a user/],
    ["a foreign origin", job("origin", { url: "http://169.254.169.254/latest" }), /may call: http:\/\/127/],
    ["a header of the connection", job("host", { headers: { Host: "evil" } }), /without Host/],
    ["a header that can't be sent", job("header", { headers: { note: "a\nb" } }), /a value that HTTP allows/],
    ["an id that can't be sent", job("größer", {}), /ASCII/],
    ["a body that can't be sent", job("body", { body: 1 }), /no body/],
    ["something unknown", job("unknown", { retries: 3 }), /retries/]
  ]
}

describe.concurrent("a malformed message", { timeout }, () => {
  it.live("goes to the dead letters with the reason, at once, and never reaches a dependency", () =>
    Effect.gen(function*() {
      const { batch, cloud, given, job, quotes, send } = yield* start()
      const kinds = malformed(quotes.url)
      yield* send(...kinds.map(([, body]) => body), job("good"))
      while ((yield* batch) > 0);

      assert.deepStrictEqual(quotes.received, ["good"])
      assert.lengthOf(cloud.queue.all, 0)
      // Each was received once.
      assert.deepStrictEqual([...new Set(given.map(({ attributes }) => attributes.ApproximateReceiveCount))], ["1"])
      assert.lengthOf(given, kinds.length + 1)
      assert.sameMembers(bodies(cloud.deadLetters.all), kinds.map(([, body]) => body))
      for (const [what, body, reason] of kinds) {
        const letter = cloud.deadLetters.all.find((message) => message.body === body)
        assert.match(letter === undefined ? "" : reasonOf(letter), reason, what)
      }
    }).pipe(Effect.scoped))

  it.live("says all that is wrong with it, and where it came from", () =>
    Effect.gen(function*() {
      const { batch, cloud, given, send } = yield* start()
      yield* send(JSON.stringify({ id: "", request: { method: "BREW", url: "orders" }, priority: 1 }))
      yield* batch
      const [letter] = cloud.deadLetters.all
      for (const part of ["id", "method", "url", "priority"]) assert.include(letter && reasonOf(letter), part)
      assert.deepInclude(letter?.attributes, {
        "reclose.messageId": { dataType: "String", stringValue: given[0]?.messageId },
        "reclose.queue": { dataType: "String", stringValue: cloud.queue.arn }
      })
    }).pipe(Effect.scoped))

  it.live("does not harm the others of its batch, nor their circuit", () =>
    Effect.gen(function*() {
      const { batch, call, cloud, job, quotes, send } = yield* start()
      // More than failures in a row that would open the circuit.
      const poison = malformed(quotes.url).slice(0, 6).map(([, body]) => body)
      yield* send(job("one"), ...poison, job("two"), job("three"))
      assert.strictEqual(yield* batch, 9)
      assert.sameMembers(quotes.received, ["one", "two", "three"])
      assert.deepStrictEqual([...quotes.done], quotes.received)
      assert.lengthOf(cloud.queue.all, 0)
      assert.sameMembers(bodies(cloud.deadLetters.all), poison)
      assert.strictEqual((yield* call).statusCode, 200)
    }).pipe(Effect.scoped))

  it.live("stays where it is as long as the dead letters can't be reached", () =>
    Effect.gen(function*() {
      const { batch, cloud, job, quotes, send } = yield* start()
      cloud.sqs.failNext({ status: 403, code: "AccessDeniedException" })
      yield* send("not json", job("good"))
      yield* batch
      assert.deepStrictEqual(bodies(cloud.queue.all), ["not json"])
      assert.lengthOf(cloud.deadLetters.all, 0)
      assert.deepStrictEqual(quotes.received, ["good"])
    }).pipe(Effect.scoped))
})

describe.concurrent("a job", { timeout }, () => {
  it.live("that its dependency refuses goes to the dead letters with what the dependency said", () =>
    Effect.gen(function*() {
      const { batch, call, cloud, given, job, quotes, send } = yield* start()
      const wrong = ["wrong-1", "wrong-2", "wrong-3", "wrong-4"]
      for (const id of wrong) quotes.refused.add(id)
      yield* send(...wrong.map(job), job("right"))
      yield* batch
      assert.sameMembers(quotes.received, [...wrong, "right"])
      assert.sameMembers(bodies(cloud.deadLetters.all), wrong.map(job))
      for (const letter of cloud.deadLetters.all) {
        assert.match(reasonOf(letter), /refused it with 422: .*there is no order for wrong-/)
      }
      assert.lengthOf(cloud.queue.all, 0)
      assert.lengthOf(given, 5)
      // It is the job that was wrong, and not the dependency.
      assert.strictEqual((yield* call).statusCode, 200)
    }).pipe(Effect.scoped))

  it.live("whose dependency has moved goes to the dead letters, and nobody is followed", () =>
    Effect.gen(function*() {
      const { batch, cloud, job, send } = yield* start({ health: "moved" })
      yield* send(job())
      yield* batch
      assert.deepStrictEqual(cloud.deadLetters.all.map(reasonOf), ["the dependency refused it with 308: moved"])
      assert.lengthOf(cloud.queue.all, 0)
    }).pipe(Effect.scoped))

  it.live("that its dependency has no time for stays, and is done when it comes again", () =>
    Effect.gen(function*() {
      const { batch, cloud, job, quotes, send } = yield* start({ health: "throttling" })
      yield* send(job("later"))
      yield* batch
      assert.deepStrictEqual([bodies(cloud.queue.all), bodies(cloud.deadLetters.all)], [[job("later")], []])
      quotes.health = "healthy"
      // As if its visibility timeout were over.
      const [message] = cloud.queue.all
      cloud.queue.changeVisibility(message?.receipt?.handle ?? "", 0, yield* Clock.currentTimeMillis)
      assert.strictEqual(yield* batch, 1)
      assert.deepStrictEqual([...quotes.done], ["later"])
      assert.lengthOf(cloud.queue.all, 0)
    }).pipe(Effect.scoped))
})

/** Two invocations, each of which fails with all of the mistakes, and changes nothing. */
const failsWith = ({ batch, cloud, errors, given, job, quotes, send }: World, mistakes: ReadonlyArray<RegExp>) =>
  Effect.gen(function*() {
    yield* send(job("one"), "not json")
    assert.strictEqual(yield* batch, 2)
    for (const { receiptHandle } of given) {
      cloud.queue.changeVisibility(receiptHandle, 0, yield* Clock.currentTimeMillis)
    }
    assert.strictEqual(yield* batch, 2)
    assert.deepStrictEqual(errors.map(({ errorType }) => errorType), ["SettingsError", "SettingsError"])
    for (const { errorMessage } of errors) {
      for (const mistake of mistakes) assert.match(errorMessage, mistake)
      assert.lengthOf(errorMessage.split("\n- "), mistakes.length + 1, errorMessage)
    }
    assert.deepStrictEqual([bodies(cloud.queue.all), bodies(cloud.deadLetters.all)], [[job("one"), "not json"], []])
    assert.deepStrictEqual([quotes.received, cloud.sqs.actions], [[], []])
  })

describe.concurrent("settings with mistakes", { timeout }, () => {
  it.live("fail every invocation, name every mistake, and touch nothing", () =>
    Effect.gen(function*() {
      const POLICY = JSON.stringify({
        circuits: { openDuration: "-1 seconds", tripRule: { _tag: "Consecutive", failures: 0 } },
        http: { timeLimits: { header: "1 second" }, retry: { times: 11 } }
      })
      const world = yield* start({
        environment: {
          CIRCUITS_TABLE: undefined,
          QUEUE_URL: "",
          MAX_RECEIVE_COUNT: "1",
          ALLOWED_ORIGINS: "https://api.example, api.example",
          POLICY
        }
      })
      yield* failsWith(world, [
        /CIRCUITS_TABLE is missing/,
        /QUEUE_URL is missing/,
        /MAX_RECEIVE_COUNT must be a whole number from 2 to 1000/,
        /ALLOWED_ORIGINS holds "api\.example"/,
        /circuits\.openDuration/,
        /circuits\.tripRule\.failures/,
        /http: Unknown option "header" in timeLimits\. Did you mean "headers"\?/,
        /http\.retry\.times/
      ])
    }).pipe(Effect.scoped))

  it.live("are those of a policy file that isn't there", () =>
    Effect.gen(function*() {
      const environment = { POLICY: undefined, POLICY_FILE: "no-such.json", SERVICE: undefined }
      yield* failsWith(yield* start({ environment }), [
        /SERVICE is missing/,
        /POLICY_FILE can't be read: .*no-such\.json/
      ])
    }).pipe(Effect.scoped))

  it.live("are those of a policy file that is no JSON", () =>
    Effect.gen(function*() {
      const POLICY_FILE = yield* file("circuits: {}")
      const environment = { POLICY: undefined, POLICY_FILE, SERVICE: undefined }
      yield* failsWith(yield* start({ environment }), [/SERVICE is missing/, /policy\.json holds no policy: .*JSON/])
    }).pipe(Effect.scoped))

  it.live("stop nothing once they are mended: a policy file is what circuits go by", () =>
    Effect.gen(function*() {
      const POLICY_FILE = yield* file(`{ "circuits": { "tripRule": { "_tag": "Consecutive", "failures": 1 } } }`)
      const { call, quotes } = yield* start({ health: "failing", environment: { POLICY: undefined, POLICY_FILE } })
      assert.strictEqual((yield* call).statusCode, 502)
      assert.strictEqual((yield* call).statusCode, 503)
      assert.lengthOf(quotes.received, 1)
    }).pipe(Effect.scoped))
})
