import { type Example, write } from "../../../../scripts/docs/examples.ts"
import { type EffectExample } from "./extract.ts"

export interface RunnableExample extends Example {
  readonly label: string
}

/** Writes the examples to a git-ignored folder of their own, each `// => value` turned into an assertion. */
export const prepare = (folder: string, examples: ReadonlyArray<EffectExample>): ReadonlyArray<RunnableExample> =>
  write(folder, examples).map((written, index) => ({
    ...written,
    label: `${examples[index]?.title} (${written.name})`
  }))

/** Runs an example, and tells at which line of Effect's own source it failed. */
export const run = async ({ block, label, path }: RunnableExample): Promise<void> => {
  try {
    await import(path)
  } catch (error) {
    const frame = error instanceof Error ? error.stack?.split("\n").find((line) => line.includes(path)) : undefined
    // No frame of the example: the failure of an effect, whose stack begins where the error was made.
    const offset = /:(\d+):\d+\)?$/.exec(frame ?? "")?.[1]
    if (offset === undefined) throw new Error(label, { cause: error })
    const line = block.code.split("\n")[Number(offset) - 1]?.trim()
    throw new Error(`${block.file}:${block.line + Number(offset)}: ${line}`, { cause: error })
  }
}
