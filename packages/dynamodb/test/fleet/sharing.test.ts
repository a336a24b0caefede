/** Circuits that real processes share through a real server of DynamoDB's API. */
import { describe } from "@effect/vitest"
import { sharing } from "../../../core/test/processes/sharing.ts"
import { onOneServer } from "../support.ts"
import { ServerPlace } from "./place.ts"

describe("real processes", { concurrent: true }, () => {
  onOneServer("a circuit that they share is", (it) => it.layer(ServerPlace)(sharing))
})
