/**
 * The tests of the core as the mutation run wants them: without those that try broken machines of their own, which say
 * nothing about the source and take long, and without those that only ask the compiler.
 */
import { defineConfig } from "vitest/config"
import workspace from "./vitest.workspace.ts"

export default defineConfig({
  ...(workspace.resolve === undefined ? {} : { resolve: workspace.resolve }),
  test: {
    include: ["**/core/test/**/*.test.ts", "test/**/*.test.ts"],
    testNamePattern: /^(?!a broken machine|.*compile)/
  }
})
