import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { publish } from "./FallbackBus.ts"

/** Copies an answer of a key, if there is a `copy`. Returns `undefined` where that throws, which it reports. */
export const copied = <A>(
  key: string,
  answer: A,
  copy: ((answer: A) => A) | undefined
): Effect.Effect<{ readonly value: A } | undefined> =>
  copy === undefined ? Effect.succeed({ value: answer }) : Effect.catch(
    Effect.try({ try: () => ({ value: copy(answer) }), catch: Cause.fail }),
    (cause) => Effect.as(publish({ _tag: "AnswerCorrupt", key, cause }), undefined)
  )
