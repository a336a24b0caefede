import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import * as os from "node:os"

const require = createRequire(import.meta.url)

export const versionOf = (library: string): string => {
  const manifest: unknown = JSON.parse(readFileSync(require.resolve(`${library}/package.json`), "utf8"))
  return typeof manifest === "object" && manifest !== null && "version" in manifest ? `${manifest.version}` : "unknown"
}

/** What a reader needs to know before comparing figures with those of another machine. */
export const machine = () => ({
  cpu: os.cpus()[0]?.model.trim() ?? "unknown",
  cores: os.availableParallelism(),
  platform: `${process.platform} ${process.arch}`,
  node: process.version,
  effect: versionOf("effect"),
  cockatiel: versionOf("cockatiel"),
  opossum: versionOf("opossum")
})
