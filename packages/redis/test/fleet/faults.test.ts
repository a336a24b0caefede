/** A process under load whose Redis is in trouble. */
import { describe, layer } from "@effect/vitest"
import { faults } from "../../../core/test/processes/faults.ts"
import { privateRedis } from "../support.ts"
import { BreakableRedis } from "./place.ts"

describe(
  "no call fails or hangs, and all agree afterwards, when Redis",
  { concurrent: true, ...privateRedis() },
  () => {
    layer(BreakableRedis, { excludeTestServices: true })(faults)
  }
)
