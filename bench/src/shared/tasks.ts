import { CircuitStore } from "@reclose/core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Task } from "../measure.ts"
import type { Row } from "../rows.ts"
import { effectOn } from "../subjects/effect.ts"
import { ordinary } from "../subjects/policy.ts"
import { recloseOn } from "../subjects/reclose.ts"
import { succeed } from "../tasks.ts"
import type { Backends } from "./backends.ts"
import { effectStore } from "./effectCommands.ts"

const prefix = "timing:"

/** The first call after a pause has to wake a server, which few calls at a time would make the figure of them all. */
const callsInARow = 50

/** Healthy calls of breakers that share their circuits, to be timed beside those of one that keeps them in memory. */
export const makeSharedTasks = Effect.fnUntraced(function*(
  { dynamodb, redis }: Backends
): Effect.fn.Return<ReadonlyArray<Task>, unknown, Scope.Scope> {
  const tasks: Array<Task> = [succeed("closed.ok.memory.reclose", yield* recloseOn(CircuitStore.layerMemory, ordinary))]
  if (redis !== undefined) {
    tasks.push(
      succeed("closed.ok.redis.reclose", yield* recloseOn(redis.connect(prefix), ordinary)),
      { ...succeed("closed.ok.redis.effect", yield* effectOn(effectStore(redis), ordinary)), unit: callsInARow }
    )
  }
  if (dynamodb !== undefined) {
    tasks.push(succeed("closed.ok.dynamodb.reclose", yield* recloseOn(dynamodb.connect(prefix), ordinary)))
  }
  return tasks
})

const onRedis: ReadonlyArray<Row> = [
  {
    name: "shared.redis.vsMemory",
    numerator: "closed.ok.redis.reclose",
    denominator: "closed.ok.memory.reclose",
    target: 1.15
  },
  {
    name: "shared.redis.vsEffect",
    numerator: "closed.ok.redis.reclose",
    denominator: "closed.ok.redis.effect",
    target: 1 / 200
  }
]

const onDynamo: ReadonlyArray<Row> = [
  {
    name: "shared.dynamodb.vsMemory",
    numerator: "closed.ok.dynamodb.reclose",
    denominator: "closed.ok.memory.reclose",
    target: 1.15
  }
]

/** The ratios of what this machine can measure. */
export const sharedRows = ({ dynamodb, redis }: Backends): ReadonlyArray<Row> => [
  ...(redis === undefined ? [] : onRedis),
  ...(dynamodb === undefined ? [] : onDynamo)
]
