/** A process under load whose DynamoDB is in trouble. */
import { layer } from "@effect/vitest"
import { faults } from "../../../core/test/processes/faults.ts"
import { forEachServer, soonest } from "../support.ts"
import { breakablesOf } from "./place.ts"

const name = "no call fails or hangs, and all agree afterwards, when DynamoDB"

if (soonest === undefined) forEachServer(name, () => {})
else layer(breakablesOf(soonest), { excludeTestServices: true, concurrent: true })(name, faults)
