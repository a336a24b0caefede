/** Stores that say a wrong time, or drop what they should hold. */
import { type Seen } from "@reclose/core/CircuitStore"
import { Effect } from "effect"
import { forever, forward, holds, latestLife, millis, over, pace, precise, sameTime } from "./cases.ts"
import { dropping, failed, type Flaw, retimed } from "./World.ts"

export const timeFlaws: ReadonlyArray<Flaw> = [
  { name: "says seconds", make: retimed(({ time }) => ({ time: Math.floor(time / 1000) })), found: [millis, pace] },
  { name: "says microseconds", make: retimed(({ time }) => ({ time: time * 1000 })), found: [millis, pace] },
  { name: "says no time", make: retimed(() => ({ time: Number.NaN })), found: [millis, pace, sameTime, forward] },
  { name: "says a precision of nothing", make: retimed(() => ({ precision: 0 })), found: [precise] },
  { name: "says a precision of a day", make: retimed(() => ({ precision: 86_400_000 })), found: [precise] },
  {
    name: "goes back in time",
    make: retimed(({ time }, world) => ({ time: time - (world.answers++ % 10) * 100 })),
    found: [forward]
  },
  { name: "has a clock that stands", make: retimed(() => ({ time: 1_790_000_000_000 })), found: [pace] },
  {
    name: "has a clock that goes twice as fast",
    make: retimed(({ time }) => ({ time: time * 2 - 1.7e12 })),
    found: [pace]
  },
  {
    name: "asks each connection's own clock",
    make: (world, right) => {
      const off = world.connections * 3_600_000
      return retimed(({ time }) => ({ time: time - off }))(world, right)
    },
    found: [sameTime]
  },
  { name: "drops everything after a second", make: dropping(() => 1000), found: [holds, forever, latestLife] },
  {
    name: "takes a time to live in seconds",
    make: dropping(({ timeToLive = Infinity }) => timeToLive / 1000),
    found: [holds, latestLife]
  },
  {
    name: "takes no time to live for none",
    make: dropping(({ timeToLive = 0 }) => timeToLive),
    found: [forever, latestLife]
  },
  {
    name: "keeps the first time to live",
    make: dropping((record, before) => before?.timeToLive ?? record.timeToLive),
    found: [latestLife]
  },
  {
    name: "refuses a time to live of nothing",
    make: (_, right) => ({
      replace: (key, seen, next) =>
        next.timeToLive === 0 ? Effect.fail(failed(key, "replace")) : right.replace(key, seen, next)
    }),
    found: [over]
  },
  {
    name: "hides what is over, and lets nobody replace it",
    make: (_, right) => {
      const hide = (seen: Seen): Seen => {
        const { record, time } = seen
        return record?.timeToLive !== undefined && time > record.time + record.timeToLive
          ? { ...seen, record: undefined }
          : seen
      }
      return {
        read: (key) => Effect.map(right.read(key), hide),
        replace: (key, seen, next) =>
          Effect.map(
            right.replace(key, seen, next),
            (answer) => answer._tag === "Conflict" ? { _tag: "Conflict", seen: hide(answer.seen) } : answer
          )
      }
    },
    found: [over]
  }
]
