/** Good answers that are kept in a store which does as it is told. */
import { LastGoodStore } from "@reclose/core"
import { Duration, Schema } from "effect"
import type { TestStore } from "../support.ts"

export const key = "ACME"

export const stored = (store: TestStore, options?: Partial<LastGoodStore.StoreOptions<number>>) =>
  LastGoodStore.make({ store: store.service, schema: Schema.Finite, ...options })

export const remembered = (value: number, age: Duration.Input) => ({ value, age: Duration.fromInputUnsafe(age) })

/** The text that a store holds for the key. */
const textOf = (store: TestStore): string => store.held.get(`reclose/lastGood/${key}`) ?? ""

export const valueIn = (store: TestStore): unknown => JSON.parse(textOf(store)).value
