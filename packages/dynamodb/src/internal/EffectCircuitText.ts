/** How a circuit of Effect's own breaker is kept as text. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { DynamoFailure } from "./DynamoFailure.ts"
import type { EffectCircuit } from "./EffectCircuit.ts"

const number = Schema.Finite

const common = { generation: Schema.Int, openings: Schema.Int, forgetAt: number }

const Circuit = Schema.Union([
  Schema.TaggedStruct("Closed", { ...common, streak: Schema.Int, ring: Schema.String, resetAt: number }),
  Schema.TaggedStruct("Open", { ...common, openUntil: number, lastOpenFor: number }),
  Schema.TaggedStruct("HalfOpen", { ...common, lastOpenFor: number, leaseUntil: number })
])

/** Each of `writes` names one write of one process, which may so know its own, also below those of others. */
const Text = Schema.fromJsonString(Schema.Struct({
  form: Schema.Literal(1),
  writes: Schema.Array(Schema.String),
  circuit: Circuit
}))

/** A circuit, and the names of its latest writes. */
export interface Written {
  readonly circuit: EffectCircuit
  readonly writes: ReadonlyArray<string>
}

export const toText = ({ circuit, writes }: Written): string => Schema.encodeSync(Text)({ form: 1, writes, circuit })

export const fromText = (text: string): Effect.Effect<Written, DynamoFailure> =>
  Schema.decodeUnknownEffect(Text)(text).pipe(
    Effect.mapError((cause) =>
      new DynamoFailure({
        reason: "Corrupt",
        message:
          "what is held is no circuit that this release knows; it is left alone: delete the item, or give this " +
          "program a prefix or table of its own",
        cause
      })
    )
  )
