/** A function of a queue, as users write them: the body of a message is what becomes of it. */
import { CircuitBreaker, CircuitStore, withBreaker } from "@reclose/core"
import * as AwsSqs from "@reclose/lambda/AwsSqs"
import { DeadLetter } from "@reclose/lambda/DeadLetter"
import { LambdaBreaker } from "@reclose/lambda/LambdaBreaker"
import * as LambdaHandler from "@reclose/lambda/LambdaHandler"
import * as SqsBatch from "@reclose/lambda/SqsBatch"
import type { SQSRecord } from "aws-lambda"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

const variable = (name: string): string => process.env[name] ?? ""

const Live = Layer.merge(
  LambdaBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory)),
  DeadLetter.layer({ queueUrl: variable("MALFORMED_URL") }).pipe(
    Layer.provideMerge(AwsSqs.layer({ endpoint: variable("ENDPOINT") }))
  )
)

const Order = Schema.Struct({ does: Schema.Literals(["succeed", "fail", "reject", "hang"]) })

const handle = Effect.fnUntraced(function*(record: SQSRecord) {
  const { does } = yield* SqsBatch.decodeJson(Order, record)
  if (does === "reject") yield* CircuitBreaker.use(({ forceOpen }) => forceOpen("shipping"))
  if (does === "hang") return yield* Effect.never
  if (does === "fail") return yield* Effect.fail("no such customer")
  return yield* Effect.void.pipe(withBreaker(does === "reject" ? "shipping" : "stock"))
})

export const handler = LambdaHandler.make(Live, SqsBatch.handler(handle, { queueUrl: variable("QUEUE_URL") }))
