/** What a message may ask for, and what is said of one that asks for something else. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Job from "../src/Job.ts"

const origins = new Set(["https://api.example", "http://127.0.0.1:8080"])

const job = { id: "7", request: { method: "POST", url: "https://api.example/orders?x=1", body: { amount: 3 } } }

/** What is wrong with a text. */
const complaint = (text: unknown) =>
  Effect.map(
    Effect.flip(Job.fromText(typeof text === "string" ? text : JSON.stringify(text), origins)),
    ({ message }) => message
  )

const withRequest = (request: object) => ({ ...job, request: { ...job.request, ...request } })

describe("a message", () => {
  it.effect("names a request", () =>
    Effect.gen(function*() {
      const read = yield* Job.fromText(JSON.stringify(withRequest({ headers: { "x-tenant": "blue" } })), origins)
      const request = Job.toRequest(read)
      assert.strictEqual(request.method, "POST")
      assert.strictEqual(request.headers["x-tenant"], "blue")
      assert.strictEqual(request.headers["idempotency-key"], "7")
      assert.strictEqual(request.body._tag, "Uint8Array")
    }))

  it.effect("may be that of the README", () =>
    Effect.gen(function*() {
      const readme = readFileSync(join(import.meta.dirname, "../README.md"), "utf8")
      const [, text = ""] = /```json\n(.*?)```/s.exec(readme) ?? []
      const { id } = yield* Job.fromText(text, new Set(["https://orders.example"]))
      assert.strictEqual(id, "order-7")
    }))

  it.effect.each<[string, unknown, RegExp]>([
    ["no JSON", "not json", /JSON/],
    ["an empty text", "", /JSON/],
    ["another shape", [], /object/],
    ["no id", { request: job.request }, /id/],
    ["an empty id", { ...job, id: "" }, /id/],
    ["an id that is too long", { ...job, id: "x".repeat(129) }, /128/],
    ["an id that can't be a header", { ...job, id: "größer\n" }, /ASCII/],
    ["a method of its own", withRequest({ method: "BREW" }), /method/],
    ["no URL", withRequest({ url: "orders" }), /url/],
    ["another scheme", withRequest({ url: "file:///etc/passwd" }), /http/],
    ["a password in its URL", withRequest({ url: "https://me:secret@api.example/" }), /without a user/],
    ["an origin that is not allowed", withRequest({ url: "http://169.254.169.254/latest" }), /may call: https:\/\/api/],
    ["a host that only looks like one that is", withRequest({ url: "https://api.example.evil/" }), /may call/],
    ["a header that is the connection's", withRequest({ headers: { Host: "evil" } }), /without Host/],
    ["a header that is the worker's", withRequest({ headers: { "Idempotency-Key": "8" } }), /without Idempotency-Key/],
    ["a header that has no name", withRequest({ headers: { "two words": "1" } }), /names that HTTP allows/],
    [
      "a header of several lines",
      withRequest({ headers: { note: "a\r\nhost: evil" } }),
      /a value that HTTP allows.*note/s
    ],
    ["a header beyond Latin-1", withRequest({ headers: { note: "日" } }), /a value that HTTP allows.*note/s],
    ["a body where there is none", withRequest({ method: "GET" }), /no body, since a GET has none/],
    ["something unknown", { ...job, priority: 1 }, /priority/]
  ])("with %s is malformed, and it is said why", ([, text, reason]) =>
    Effect.gen(function*() {
      assert.match(yield* complaint(text), reason)
    }))

  it.effect("is told all that is wrong with it at once", () =>
    Effect.gen(function*() {
      const message = yield* complaint({ id: "", request: { method: "BREW", url: "orders" } })
      for (const part of ["id", "method", "url"]) assert.include(message, part)
    }))
})
