/** A function as users write them: guarded calls, circuits in DynamoDB, metrics on stdout. */
import { CircuitBreaker, Policy, withBreaker } from "@reclose/core"
import { DynamoClient } from "@reclose/dynamodb/DynamoClient"
import * as DynamoStore from "@reclose/dynamodb/DynamoStore"
import * as EmbeddedMetrics from "@reclose/lambda/EmbeddedMetrics"
import { LambdaBreaker } from "@reclose/lambda/LambdaBreaker"
import * as LambdaHandler from "@reclose/lambda/LambdaHandler"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Answer, Event } from "./events.ts"

const variable = (name: string): string => process.env[name] ?? ""

const Breakers = Layer.unwrap(
  Effect.map(Effect.suspend(() => Policy.fromJson(JSON.parse(variable("POLICY")))), LambdaBreaker.layer)
).pipe(
  Layer.provide(DynamoStore.layer({ tableName: variable("TABLE") })),
  Layer.provide(DynamoClient.layer({ endpoint: variable("ENDPOINT"), region: "local" }))
)

/** Something to close, which says so, or never comes to an end. */
const Connection = Layer.effectDiscard(Effect.acquireRelease(
  Effect.void,
  () => variable("STUCK") === "" ? Effect.sync(() => process.stdout.write("closed\n")) : Effect.never
))

const Live = Layer.merge(
  Connection,
  EmbeddedMetrics.layer({ service: "worker" }).pipe(Layer.provideMerge(Breakers))
)

class NoSuchOrder extends Data.TaggedError("NoSuchOrder")<{ readonly message: string }> {}

const endings = {
  fail: () => Effect.fail(new NoSuchOrder({ message: "there is no order 7" })),
  reject: (key: string) => withBreaker(Effect.void, key),
  die: () => Effect.die(new TypeError("broken")),
  hang: () => Effect.never
}

const handle = (event: Event): Effect.Effect<Answer, unknown, CircuitBreaker> =>
  Effect.gen(function*() {
    if (event.reset === true) yield* CircuitBreaker.use(({ reset }) => reset(event.key))
    let began = 0
    const ends: Array<string> = []
    for (const end of event.calls ?? []) {
      const call = Effect.andThen(
        Effect.sync(() => void began++),
        end === "succeed" ? Effect.void : Effect.fail("Failed" as const)
      )
      ends.push(
        yield* call.pipe(
          withBreaker(event.key),
          Effect.match({
            onSuccess: () => "Succeeded",
            onFailure: (error) => error === "Failed" ? error : `${error._tag} ${error.reason}`
          })
        )
      )
    }
    if (event.ending !== undefined) yield* endings[event.ending](event.key)
    const { phase } = yield* CircuitBreaker.use(({ state }) => state(event.key))
    return { ends, began, phase }
  })

export const handler = LambdaHandler.make(Live, handle, {
  deadlineMargin: variable("MARGIN") === "" ? undefined : "1500 millis"
})
