import { CircuitBreaker, CircuitStore, type PolicyError, withBreaker } from "@reclose/core"
import { type BeforeResponse, LambdaBreaker, LambdaContext, LambdaHandler } from "@reclose/lambda"
import type { SQSEvent, SQSHandler } from "aws-lambda"
import { Context, Effect, Layer } from "effect"
import { describe, expect, test } from "tstyche"

class Database extends Context.Service<Database, { readonly rows: number }>()("test/Database") {}

const store = CircuitStore.layerMemory
const Databases = Layer.succeed(Database, { rows: 1 })
const Fit = LambdaBreaker.layer().pipe(Layer.provide(store))
const Unfit = CircuitBreaker.layer().pipe(Layer.provide(store))

const guarded = (event: { readonly symbol: string }) => Effect.succeed(event.symbol.length).pipe(withBreaker("quotes"))

describe("LambdaHandler.make", () => {
  test("makes a function of the event, from a layer that provides what the effect needs", () => {
    expect(LambdaHandler.make(Fit, guarded)).type.toBe<
      LambdaHandler.LambdaHandler<{ readonly symbol: string }, number>
    >()
    expect(LambdaHandler.make).type.not.toBeCallableWith(Databases, guarded)
  })

  test("provides the invocation", () => {
    expect(LambdaHandler.make).type.toBeCallableWith(Layer.empty, () => LambdaContext.remaining)
  })

  test("takes layers that provide more than the effect needs", () => {
    expect(LambdaHandler.make).type.toBeCallableWith(Layer.merge(Fit, Databases), guarded)
    expect(LambdaHandler.make).type.toBeCallableWith(Fit, () => Effect.void)
  })

  test("takes no breaker that works between invocations", () => {
    expect(LambdaHandler.make).type.not.toBeCallableWith(Unfit, guarded)
    expect(LambdaHandler.make).type.not.toBeCallableWith(Layer.merge(Unfit, Databases), () => Effect.void)
  })

  test("takes no layer that needs anything else", () => {
    expect(LambdaHandler.make).type.not.toBeCallableWith(LambdaBreaker.layer(), guarded)
  })

  test("fits the types of AWS", () => {
    const handle = (event: SQSEvent) => Effect.succeed({ batchItemFailures: [], count: event.Records.length })
    expect(LambdaHandler.make(Layer.empty, handle)).type.toBeAssignableTo<SQSHandler>()
  })
})

describe("LambdaBreaker.layer", () => {
  test("provides the breaker under both names", () => {
    expect(LambdaBreaker.layer()).type.toBe<
      Layer.Layer<CircuitBreaker | LambdaBreaker, PolicyError, CircuitStore | BeforeResponse>
    >()
  })
})
