import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

layer(NodeServices.layer, { excludeTestServices: true })("the quickstart", (it) => {
  it.effect("opens its circuit after three failures", () =>
    Effect.gen(function*() {
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const lines = yield* spawner.lines(ChildProcess.make(process.execPath, [main]))
      assert.lengthOf(lines, 12)
      for (const line of lines.slice(0, 3)) assert.match(line, /^failed: /)
      assert.isTrue(lines.some((line) => line.startsWith("rejected: Circuit \"quotes\" is open; try again in ")))
    }), 60_000)
})
