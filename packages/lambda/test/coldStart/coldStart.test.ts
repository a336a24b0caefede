/**
 * What the package costs a container. `RECLOSE_COLD_STARTS=15` measures so many containers of each function, for figures
 * that mean something; the times of one say little, so nothing is asked of them but to be there.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { say } from "../../../core/test/processes/Place.ts"
import { onOneServer, Server } from "../../../dynamodb/test/support.ts"
import { measure, median, rowsOf, subjects } from "./measure.ts"

const rounds = Number(process.env["RECLOSE_COLD_STARTS"] ?? 1)

onOneServer("a function", (it) => {
  it.effect("starts and answers, and weighs no more than it may", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Server
      const figures = yield* measure(endpoint, { rounds, warmCalls: 20 })
      yield* say("| function | init, ms | first call, ms | warm call, ms | bundle, kB | gzip, kB |")
      for (const subject of subjects) {
        const { first, gzipKB, init, kB, warm } = figures[subject]
        assert.deepStrictEqual([init.length, first.length, warm.length], [rounds, rounds, rounds])
        const millis = [init, first, warm].map((samples) => median(samples).toFixed(2)).join(" | ")
        yield* say(`| ${subject} | ${millis} | ${kB.toFixed(0)} | ${gzipKB.toFixed(1)} |`)
      }
      const rows = rowsOf(figures)
      for (const [name, value] of Object.entries(rows)) {
        assert.isAbove(value, 0, name)
        yield* say(`${name}: ${value.toFixed(2)}`)
      }
      assert.isBelow(figures.effect.gzipKB, 25)
      assert.isBelow(rows["lambda.bundle.kB"], 58)
      // What the SDK weighs is not ours.
      assert.isBelow(rows["lambda.bundle.dynamo.kB"] - figures.sdk.gzipKB, 88)
    }), 600_000)
})
