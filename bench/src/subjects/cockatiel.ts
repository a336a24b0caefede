import { circuitBreaker, type CircuitBreakerPolicy, CountBreaker, handleAll } from "cockatiel"
import { openMillis, type Policy } from "./policy.ts"

export const cockatielBreaker = ({ minimumCalls, threshold, window }: Policy): CircuitBreakerPolicy =>
  circuitBreaker(handleAll, {
    halfOpenAfter: openMillis,
    breaker: new CountBreaker({ threshold, size: window, minimumNumberOfCalls: minimumCalls })
  })
