import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { captureOutput } from "./assertions.ts"
import { root, typecheck, write } from "./examples.ts"
import { extract } from "./extract.ts"

const sources = ["README.md", "docs/**/*.md", "packages/*/README.md", "packages/*/src/**/*.ts"]

const blocks = globSync(sources, { cwd: root }).toSorted().flatMap((file) =>
  extract(file, readFileSync(join(root, file), "utf8"))
)
const examples = write("examples", blocks)

beforeEach(captureOutput)

describe("examples of the documentation", () => {
  it("all examples compile", { timeout: 120_000 }, () => {
    expect(typecheck("examples", examples)).toEqual([])
  })

  it.for(examples.filter(({ block }) => block.run))("$name", { timeout: 20_000 }, ({ path }) => import(path))
})
