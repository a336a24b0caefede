import { assert, describe, it } from "vitest"
import { askedBetween, commandsIn } from "../src/shared/commandStats.ts"

const info = [
  "# Commandstats",
  "cmdstat_evalsha:calls=12,usec=640,usec_per_call=53.33,rejected_calls=0,failed_calls=1",
  "cmdstat_config|resetstat:calls=2,usec=9,usec_per_call=4.50,rejected_calls=0,failed_calls=0",
  "cmdstat_info:calls=3,usec=90,usec_per_call=30.00,rejected_calls=0,failed_calls=0",
  ""
].join("\r\n")

describe("the commands that Redis has counted", () => {
  it("are read by name, subcommands too", () => {
    assert.deepStrictEqual([...commandsIn(info)], [["evalsha", 12], ["config|resetstat", 2]])
  })

  it("are none of those that ask for them", () => {
    assert.isFalse(commandsIn(info).has("info"))
  })

  it("are none on a server that was asked nothing", () => {
    assert.strictEqual(commandsIn("# Commandstats\r\n").size, 0)
  })

  it("add up between two moments, with commands that were new to the second", () => {
    const before = new Map([["evalsha", 10]])
    assert.strictEqual(askedBetween(before, new Map([["evalsha", 12], ["get", 3]])), 5)
    assert.strictEqual(askedBetween(before, before), 0)
  })
})
