import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { type Block, nameOf } from "./extract.ts"
import { instrument } from "./instrument.ts"

export const root = fileURLToPath(new URL("../../", import.meta.url))

/** A block that stands in a file of its own. */
export interface Example {
  readonly block: Block
  readonly name: string
  readonly path: string
}

const tsconfig = {
  extends: "../../tsconfig.check.json",
  compilerOptions: { incremental: false, noUnusedLocals: false, noUnusedParameters: false },
  include: ["."]
}

/** Writes the blocks to a folder of their own inside the clone, where `effect` and `@reclose/*` resolve. */
export const write = (folder: string, blocks: ReadonlyArray<Block>): ReadonlyArray<Example> => {
  const directory = join(root, ".docs-build", folder)
  const assertions = relative(directory, join(import.meta.dirname, "assertions.ts"))
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(tsconfig))
  return blocks.map((block) => {
    const name = nameOf(block)
    const path = join(directory, `${name.replace(/\W+/g, "-")}.ts`)
    writeFileSync(path, instrument(block, assertions))
    return { block, name, path }
  })
}

/** Type-checks the examples of one folder in one run; each complaint is told with its place in the document. */
export const typecheck = (folder: string, examples: ReadonlyArray<Example>): ReadonlyArray<string> => {
  if (examples.length === 0) return []
  const options = { cwd: root, encoding: "utf8" } as const
  const compiler = execFileSync("node_modules/.bin/effect-tsgo", ["get-exe-path"], options).trim()
  const { status, stdout } = spawnSync(compiler, ["-p", `.docs-build/${folder}`, "--pretty", "false"], options)
  const complaints = stdout.split("\n").filter((line) => line !== "").map((line) => {
    const [, path, offset, message] = /^(.+)\((\d+),\d+\): (.*)$/.exec(line) ?? []
    const example = path && examples.find((example) => relative(root, example.path) === path)
    return example ? `${example.block.file}:${example.block.line + Number(offset)}: ${message}` : line
  })
  return status === 0 || complaints.length > 0 ? complaints : [`the compiler ended with ${status}`]
}
