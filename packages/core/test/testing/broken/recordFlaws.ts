/** Stores that hold other records than they are given. */
import type { CircuitRecord } from "@reclose/core/CircuitRecord"
import { Effect } from "effect"
import {
  acts,
  additions,
  allWin,
  apart,
  creates,
  evidence,
  fractions,
  largest,
  lists,
  listsAll,
  longKeys,
  loses,
  losesBlind,
  losesGone,
  names,
  nothing,
  numbers,
  oneWins,
  overrides,
  phases,
  replaces,
  shortKey,
  tells
} from "./cases.ts"
import { type Flaw, liveClock, rewritten, right, World } from "./World.ts"

export const recordFlaws: ReadonlyArray<Flaw> = [
  {
    name: "holds no acts",
    make: rewritten((record) => {
      const { act: _, ...rest } = record
      return rest
    }),
    found: [acts]
  },
  {
    name: "makes up a record where nothing is held",
    make: (_, right) => ({
      read: (key) =>
        Effect.map(right.read(key), (seen) => ({
          ...seen,
          record: seen.record ?? {
            version: 0,
            time: 0,
            timeToLive: undefined,
            generation: 0,
            phase: { _tag: "Closed", openings: 0, remaining: 0 },
            override: "None",
            policy: "",
            evidence: [],
            failing: [],
            writers: []
          }
        }))
    }),
    found: [nothing, losesGone, longKeys, apart]
  },
  {
    name: "is another store for each connection",
    make: () => right(new World(), liveClock),
    found: [
      creates,
      replaces,
      loses,
      losesBlind,
      oneWins,
      additions,
      allWin,
      longKeys,
      shortKey,
      tells,
      lists,
      listsAll
    ]
  },
  {
    name: "answers reads from a replica that is late",
    make: ({ connections, held }, right) => {
      const late = new Map<string, CircuitRecord>()
      return connections === 1 ? {} : {
        read: (key) =>
          Effect.map(right.read(key), (seen) => {
            const record = late.get(key)
            const current = held.get(key)
            if (current) late.set(key, current)
            return { ...seen, record }
          })
      }
    },
    found: [creates, replaces, fractions]
  },
  {
    name: "loses the time to live",
    make: rewritten((record) => ({ ...record, timeToLive: undefined })),
    found: [creates, phases]
  },
  {
    name: "loses what is left of a phase",
    make: rewritten((record) => ({ ...record, phase: { ...record.phase, remaining: 0 } })),
    found: [phases, numbers, largest]
  },
  {
    name: "loses an operator's word",
    make: rewritten((record) => ({ ...record, override: "None" })),
    found: [overrides, replaces, largest]
  },
  {
    name: "loses empty evidence",
    make: rewritten((record) => ({
      ...record,
      evidence: record.evidence.filter((count) => count._tag !== "Calls" || count.blocks.length > 0)
    })),
    found: [evidence]
  },
  {
    name: "keeps processes by name, in no order",
    make: rewritten((record) => ({ ...record, failing: Object.entries(Object.fromEntries(record.failing)) })),
    found: [names]
  },
  {
    name: "keeps at most 31 processes",
    make: rewritten((record) => ({ ...record, failing: record.failing.slice(-31) })),
    found: [largest]
  }
]
