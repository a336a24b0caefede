/** Circuits that real processes share through a real Redis. */
import { describe, layer } from "@effect/vitest"
import { sharing } from "../../../core/test/processes/sharing.ts"
import { privateRedis } from "../support.ts"
import { RedisPlace } from "./place.ts"

describe("a circuit that processes share through Redis is", { concurrent: true, ...privateRedis() }, () => {
  layer(RedisPlace, { excludeTestServices: true })(sharing)
})
