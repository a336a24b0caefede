import * as Effect from "effect/Effect"
import { PolicyError } from "../PolicyError.ts"
import { complete, type Read, type Reading } from "./Reader.ts"

/** Reads options, or every mistake in them. */
export const readOptions = <A extends object>(
  read: (reading: Reading) => Read<A>,
  settings?: Pick<Reading, "requiresUnits">
): Effect.Effect<A, PolicyError> =>
  Effect.suspend(() => {
    const reading: Reading = { ...settings, issues: [] }
    const options = complete<A>(read(reading))
    return reading.issues.length > 0 || options === undefined
      ? Effect.fail(new PolicyError({ issues: reading.issues }))
      : Effect.succeed(options)
  })
