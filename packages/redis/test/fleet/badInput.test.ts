/** A process whose Redis holds what is no record, or refuses it. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { goesOnAlone, leavesOtherRuleAlone } from "../../../core/test/processes/badInput.ts"
import { heldAs, join, succeed, trip } from "../../../core/test/processes/Place.ts"
import { command, PrivateRedis, privateRedis, RedisUrl } from "../support.ts"
import { cornerOf } from "./place.ts"

/** What a key may hold, and what is said of it. */
const bad = [
  ["a list", ["RPUSH", "KEY", "1"], "WrongType", /holds no string; it is left alone/],
  ["some text", ["SET", "KEY", "7 apples"], "Corrupt", /no record of a circuit; it is left alone/],
  ["half a record", ["SET", "KEY", `7 {"form":1,"version":7,`], "Corrupt", /no record of a circuit; it is left alone/],
  ["a record of another release", ["SET", "KEY", `7 {"form":2,"circuit":{}}`], "ForeignVersion", /has form 2/]
] as const

describe("a process goes on by its own judgement, and says why, when Redis", privateRedis(), () => {
  layer(PrivateRedis, { excludeTestServices: true })((it) => {
    it.effect("holds what is no record, and leaves it as it is", () =>
      Effect.gen(function*() {
        const corner = yield* cornerOf()
        const process = yield* join(corner)
        for (const [key, words, reason, message] of bad) {
          const name = `${corner.where.prefix}${key}`
          yield* command(...words.map((word) => word === "KEY" ? name : word))
          const before = yield* command("DUMP", name)
          yield* goesOnAlone(process, key, { reason, message })
          assert.strictEqual(yield* command("DUMP", name), before, key)
        }
        // It shares what it can.
        yield* trip(process, "long/good")
        yield* heldAs(corner, "long/good", "open", ({ phase }) => phase._tag === "Open")
      }), 60_000)

    it.effect("holds what was counted under another rule, and leaves its counts alone", () =>
      Effect.gen(function*() {
        const corner = yield* cornerOf()
        const process = yield* leavesOtherRuleAlone(corner)
        yield* trip(process, "quotes")
        assert.strictEqual((yield* succeed(process, "quotes")).why, "Tripped")
      }), 60_000)

    it.effect("refuses its user", () =>
      Effect.gen(function*() {
        yield* command(
          "ACL",
          "SETUSER",
          "nobody",
          "on",
          ">a-long-secret",
          "resetkeys",
          "resetchannels",
          "-@all",
          "+ping"
        )
        const { host } = new URL(yield* RedisUrl)
        const corner = yield* cornerOf({ url: `redis://nobody:a-long-secret@${host}` })
        const process = yield* join(corner)
        yield* goesOnAlone(process, "quotes", {
          reason: "Denied",
          message: /rights that the README of @reclose\/redis/
        })
        assert.isUndefined(yield* corner.held("quotes"))
      }), 60_000)
  })
})
