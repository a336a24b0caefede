/** A server whose `Date` was an hour fast for a moment, as one machine of many may be. */
import { assert } from "@effect/vitest"
import { CircuitBreaker, type Policy, TripRule } from "@reclose/core"
import { DynamoStore } from "@reclose/dynamodb"
import { Effect, Layer } from "effect"
import { fakeDynamo } from "../FakeDynamo.ts"
import { clientOf, makeTable, onOneServer, Server, serverClient, waitUntil } from "../support.ts"

const hour = 3_600_000

const policy: Policy.Policy = {
  tripRule: TripRule.consecutive(1),
  openDuration: "1 second",
  hydrateTimeout: "2 seconds",
  storeTimeout: "2 seconds"
}

onOneServer("a circuit that opened while the Date was an hour fast", (it) => {
  it.effect("ends in time, in its own instance and in one that starts later", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Server
      let ahead = hour
      const proxy = yield* fakeDynamo(() => ({
        _tag: "Forward",
        endpoint,
        date: new Date(Date.now() + ahead).toUTCString()
      }))
      const tableName = yield* Effect.provide(makeTable, serverClient)
      const store = DynamoStore.layer({ tableName }).pipe(Layer.provide(clientOf(proxy.endpoint)))
      const begin = CircuitBreaker.make(policy).pipe(Effect.provide(yield* Layer.build(store)))
      const here = yield* begin
      yield* Effect.flip(here.withBreaker(Effect.fail("down"), "quotes"))
      yield* waitUntil(() => proxy.requests.some(({ action }) => action === "UpdateItem"))
      ahead = 0
      const newcomer = yield* begin
      const ran = { here: 0, newcomer: 0 }
      for (let call = 0; call < 50; call++) {
        if ((yield* Effect.exit(here.withBreaker(Effect.void, "quotes")))._tag === "Success") ran.here++
        if ((yield* Effect.exit(newcomer.withBreaker(Effect.void, "quotes")))._tag === "Success") ran.newcomer++
        yield* Effect.sleep("100 millis")
      }
      assert.isAbove(ran.here, 15)
      assert.isAbove(ran.newcomer, 15)
    }).pipe(Effect.scoped))
})
