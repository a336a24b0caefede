/** A function that is small enough to see through: a guarded call that fails when told so, circuits shared in the table. */
import { CircuitBreaker, TripRule, withBreaker } from "@reclose/core"
import { DynamoClient, DynamoStore } from "@reclose/dynamodb"
import { Config, Effect, Layer, ManagedRuntime } from "effect"

interface Order {
  readonly key: string
  readonly fail?: boolean
}

const Breakers = CircuitBreaker.layer({
  tripRule: TripRule.consecutive(1),
  openDuration: "10 minutes",
  background: false
}).pipe(
  Layer.provide(DynamoStore.layerConfig({ tableName: Config.String("CIRCUITS_TABLE") })),
  Layer.provide(DynamoClient.layer({}))
)

const runtime = ManagedRuntime.make(Breakers)

export const handler = ({ fail, key }: Order): Promise<unknown> =>
  (fail === true ? Effect.fail("down") : Effect.succeed("up")).pipe(
    withBreaker(key),
    Effect.catchTag("CircuitOpen", () => Effect.succeed("open")),
    Effect.catch(Effect.succeed),
    Effect.ensuring(CircuitBreaker.use(({ flush }) => flush)),
    Effect.map((answer) => ({ answer, service: process.env.SERVICE })),
    runtime.runPromise
  )
