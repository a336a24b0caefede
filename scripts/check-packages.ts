/**
 * Packs every public package as it would be published, then asks of the packed files: does publint accept them,
 * do the types resolve for ESM, does every module load in plain Node? Wants a finished build.
 */
import { spawnSync } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { pathToFileURL } from "node:url"

/** Runs a command that is only heard when it fails. */
const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): void => {
  const { status, stderr, stdout } = spawnSync(command, args, { cwd, encoding: "utf8" })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} in ${cwd}\n${stdout}${stderr}`)
}

for (const directory of globSync("packages/*/package.json").map(dirname).toSorted()) {
  const { name, private: unpublished }: { name: string; private?: boolean } = JSON.parse(
    readFileSync(join(directory, "package.json"), "utf8")
  )
  const modules = globSync("*.ts", { cwd: join(directory, "src") }).map((file) => basename(file, ".ts")).toSorted()
  if (unpublished || modules.length === 0) continue

  // Inside the package's own node_modules, so that the unpacked copy finds the dependencies of the package.
  const target = join(directory, "node_modules/.cache/packed")
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  run(directory, "pnpm", "pack", "--out", "node_modules/.cache/packed/package.tgz")
  run(target, "tar", "-xzf", "package.tgz")
  run(target, "publint", "run", "package.tgz", "--strict")
  const entries = modules.map((module) => module === "index" ? "." : module)
  run(target, "attw", "package.tgz", "--profile=esm-only", "--no-definitely-typed", "--entrypoints", ...entries)
  for (const module of modules) await import(pathToFileURL(join(target, "package/dist", `${module}.js`)).href)
  console.log(`${name}: ${modules.join(", ")}`)
}
