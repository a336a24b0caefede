/** What holds of every store, of this one on a real server. */
import { describe } from "@effect/vitest"
import { CircuitStore } from "@reclose/core/CircuitStore"
import { storeConformance } from "@reclose/core/testing"
import { Effect, Layer } from "effect"
import { anyRedis, connect, RedisUrl } from "./support.ts"

const connection = Layer.effect(CircuitStore, Effect.map(connect("conformance:"), ({ store }) => store))

describe("the Redis store conforms", anyRedis(), () => {
  storeConformance("on a real server", connection, { server: RedisUrl.layer })
})
