/** What a store tells without being asked. A store that can't tell has nothing to prove here. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { changeOf, type CircuitRecord } from "../CircuitRecord.ts"
import type { Change, CircuitStoreError } from "../CircuitStore.ts"
import { after, create, NotOffered, put, recordAt, type Store, type StoreCase, storeCase } from "./Stage.ts"

const changesOf = (store: Store) =>
  store.changes === undefined
    ? Effect.fail(new NotOffered({ message: "the store does not tell of changes: breakers ask instead" }))
    : Effect.succeed(store.changes)

const tokenOf = (
  { generation, version }: Pick<Extract<Change, { readonly _tag: "Changed" }>, "version" | "generation">
) => `${version}/${generation}`

const announced = (key: string, record: CircuitRecord) => tokenOf(changeOf(key, record))

/** Collects what a connection is told of each key, until the scope closes. */
const listen = Effect.fnUntraced(function*(store: Store) {
  const changes = yield* changesOf(store)
  const heard = new Map<string, Set<string>>()
  const hear = (change: Change) => {
    if (change._tag === "Changed") heard.set(change.key, (heard.get(change.key) ?? new Set()).add(tokenOf(change)))
  }
  const ended = yield* changes.pipe(
    Stream.runForEach((change) => Effect.sync(() => hear(change))),
    Effect.andThen(Effect.sync(() => assert.fail("the changes ended while somebody listened"))),
    Effect.forkScoped({ startImmediately: true })
  )
  return { heard, ended: Fiber.join(ended) }
})

/** Writes again and again, since one may be missed, until it was heard. Answers what was written. */
const writeUntil = Effect.fnUntraced(function*(
  store: Store,
  key: string,
  isHeard: () => boolean,
  ended: Effect.Effect<never, CircuitStoreError>,
  fields: Partial<CircuitRecord> = {}
) {
  let record = yield* create(store, key, fields)
  const written = [announced(key, record)]
  const write = Effect.gen(function*() {
    for (let writes = 1; writes <= 50 && !isHeard(); writes++) {
      record = yield* put(store, key, record, after(record))
      written.push(announced(key, record))
      for (let waits = 0; waits < 10 && !isHeard(); waits++) yield* Effect.sleep("10 millis")
    }
  })
  yield* Effect.raceFirst(write, ended)
  assert.isTrue(isHeard(), `nobody was told of ${JSON.stringify(key)}, which was written for 5 seconds`)
  return written
})

export const changeCases: ReadonlyArray<StoreCase> = [
  storeCase("tells every other connection of a key that was written, by its name", function*({ here, prefix, there }) {
    const one = yield* listen(there)
    const other = yield* listen(there)
    const names = ["quotes", "Quotes", "two words", "a:b/c", "{tag}x", "*?[]", "\"'\\,;", "日本語", "😀"]
    for (const name of names) {
      const key = `${prefix}${name}`
      yield* writeUntil(here, key, () => one.heard.has(key) && other.heard.has(key), one.ended)
    }
  }),

  storeCase("tells which version was written, of which generation", function*({ here, key, there }) {
    const { ended, heard } = yield* listen(there)
    const largest = Number.MAX_SAFE_INTEGER - 100
    const begins = [{ version: 1, generation: 0 }, { version: 17, generation: largest }, { version: largest }]
    for (const [i, begin] of begins.entries()) {
      const name = `${key}-${i}`
      const written = yield* writeUntil(here, name, () => heard.has(name), ended, begin)
      for (const told of heard.get(name) ?? []) assert.include(written, told, "version/generation")
    }
  }),

  storeCase("tells of an operator's act by its stamp, where that is larger than the generation", function*(
    { here, key, there }
  ) {
    const { ended, heard } = yield* listen(there)
    const act = { kind: "ForcedOpen", stamp: 1_790_000_000_000, by: "k3f9" } as const
    const written = yield* writeUntil(here, key, () => heard.has(key), ended, {
      override: act.kind,
      act,
      generation: 7
    })
    for (const told of heard.get(key) ?? []) assert.include(written, told, "version/generation, see changeOf")
  }),

  storeCase("ends a subscription with its scope, and serves the next one", function*({ here, key, there }) {
    const scope = yield* Scope.make()
    const { ended, heard } = yield* Scope.provide(listen(there), scope)
    yield* writeUntil(here, `${key}-1`, () => heard.has(`${key}-1`), ended)
    yield* Scope.close(scope, Exit.void)
    heard.clear()
    const next = yield* listen(there)
    yield* writeUntil(here, `${key}-2`, () => next.heard.has(`${key}-2`), next.ended)
    assert.strictEqual(heard.size, 0, "told to a subscription that has ended")
  }),

  storeCase("serves subscribers that come and go", function*({ here, key, there }) {
    const changes = yield* changesOf(there)
    for (let i = 0; i < 50; i++) {
      const fiber = yield* Effect.forkChild(Stream.runDrain(changes), { startImmediately: true })
      yield* i % 3 === 0 ? Effect.sleep(i % 7) : Effect.yieldNow
      yield* Fiber.interrupt(fiber)
    }
    const { ended, heard } = yield* listen(there)
    yield* writeUntil(here, key, () => heard.has(key), ended)
  }),

  storeCase("is not held up by a subscriber that does not listen", function*({ here, key, there }) {
    const changes = yield* changesOf(there)
    const stalled = yield* Effect.forkScoped(Stream.runForEach(changes, () => Effect.never), {
      startImmediately: true
    })
    const { ended, heard } = yield* listen(there)
    yield* writeUntil(here, `${key}-1`, () => heard.has(`${key}-1`), ended)
    const { time } = yield* here.read(key)
    let record = yield* put(here, key, undefined, recordAt(time))
    for (let i = 0; i < 500; i++) record = yield* put(here, key, record, after(record))
    yield* writeUntil(here, `${key}-2`, () => heard.has(`${key}-2`), ended)
    assert.isUndefined(stalled.pollUnsafe())
  })
]
