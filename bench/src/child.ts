import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const run = promisify(execFile)

/** Runs a script of this folder in a process of its own and reads the figures that it prints as its last line. */
export const figuresOf = async (
  script: string,
  flags: ReadonlyArray<string>,
  args: ReadonlyArray<string>
): Promise<ReadonlyArray<number>> => {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const { stdout } = await run(process.execPath, [...process.execArgv, ...flags, path, ...args])
  const figures: unknown = JSON.parse(stdout.trim().split("\n").at(-1) ?? "")
  if (!Array.isArray(figures) || figures.length === 0 || !figures.every((figure) => typeof figure === "number")) {
    throw new Error(`${script} ${args.join(" ")} printed no figures: ${stdout}`)
  }
  return figures
}

/** What a child prints. */
export const print = (figures: ReadonlyArray<number>) => console.log(JSON.stringify(figures))
