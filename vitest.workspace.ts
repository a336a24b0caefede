import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const root = fileURLToPath(new URL(".", import.meta.url))

const project = (name: string, ...directories: ReadonlyArray<string>) => ({
  extends: true as const,
  test: { name, include: directories.map((directory) => `${directory}/**/*.test.ts`) }
})

export default defineConfig({
  resolve: {
    // By path and not by package name, so that a mutated copy of the tree tests its own sources.
    alias: [
      { find: /^@reclose\/([^/]+)$/, replacement: `${root}packages/$1/src/index.ts` },
      { find: /^@reclose\/([^/]+)\/(.+)$/, replacement: `${root}packages/$1/src/$2.ts` }
    ]
  },
  server: { watch: { ignored: ["**/.docs-build/**"] } },
  test: {
    // All cores: much of what the tests do is to wait for servers.
    maxWorkers: "100%",
    projects: [
      project("cdk", "packages/cdk/test"),
      project("cloudwatch", "packages/cloudwatch/test"),
      project("core", "packages/core/test"),
      project("dynamodb", "packages/dynamodb/test"),
      project("http", "packages/http/test"),
      project("lambda", "packages/lambda/test"),
      project("redis", "packages/redis/test"),
      project("examples", "examples/*/test"),
      project("bench", "bench/test"),
      project("docs", "scripts")
    ]
  }
})
