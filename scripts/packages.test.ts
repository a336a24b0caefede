/** What a user sees of a package before the first import: its metadata, its README, and how it is packed. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const directories = globSync("packages/*/package.json", { cwd: root }).map(dirname).toSorted()

describe.each(directories)("%s", (directory) => {
  const manifest = JSON.parse(readFileSync(join(root, directory, "package.json"), "utf8"))

  it("says which Node it needs, where it comes from, and where to report a bug", () => {
    assert.deepInclude(manifest, {
      license: "MIT",
      engines: { node: ">=22.19" },
      repository: { type: "git", url: "git+https://github.com/reclose/reclose.git", directory },
      homepage: `https://github.com/reclose/reclose/tree/main/${directory}#readme`,
      bugs: "https://github.com/reclose/reclose/issues"
    })
    assert.isNotEmpty(manifest.description)
    assert.include(manifest.keywords, "circuit-breaker")
  })

  it("has a README with the command that installs it", () => {
    const readme = join(root, directory, "README.md")
    assert.isTrue(existsSync(readme))
    assert.match(readFileSync(readme, "utf8"), new RegExp(`(npm install|pnpm add) (.* )?${manifest.name}\\b`))
  })
})

it("a client that would publish exports of sources is refused, with what to do instead", () => {
  const { status, stderr } = spawnSync("npm", ["pack", "--dry-run"], {
    cwd: join(root, "packages/core"),
    encoding: "utf8",
    // Within pnpm's own scripts, npm would say that it is pnpm.
    env: { ...process.env, npm_config_user_agent: "" }
  })
  assert.notStrictEqual(status, 0)
  assert.include(stderr, "Pack and publish with pnpm")
}, 60_000)
