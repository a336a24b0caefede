import { beforeEach, describe, expect, it } from "vitest"
import { captureOutput } from "./assertions.ts"
import { typecheck, write } from "./examples.ts"
import { type Block, extract } from "./extract.ts"
import { instrument } from "./instrument.ts"

const block = (code: string): Block => ({ file: "guide.md", line: 10, run: true, code })

describe("extract", () => {
  it("finds the ts blocks of a Markdown file", () => {
    const text = "# Guide\n\n```ts\nconst a = 1\n```\n\n```sh\nls\n```\n- item\n  ```ts no-run\n  a()\n  ```\n"
    expect(extract("guide.md", text)).toEqual([
      { file: "guide.md", line: 3, run: true, code: "const a = 1" },
      { file: "guide.md", line: 11, run: false, code: "  a()" }
    ])
  })

  it("finds the ts blocks of a JSDoc comment, and no others of the source", () => {
    const text =
      "/**\n * @example\n * ```ts\n * if (a) {\n *   /* b *\\/\n * }\n *\n * ```\n */\nconst c = `\n```ts\nno\n```\n`\n"
    expect(extract("a.ts", text)).toEqual([
      { file: "a.ts", line: 3, run: true, code: "if (a) {\n  /* b */\n}\n" }
    ])
  })

  it("refuses a flag it does not know and a block without an end", () => {
    expect(() => extract("guide.md", "```ts norun\n```")).toThrow("guide.md:1: unknown flag norun")
    expect(() => extract("guide.md", "```ts\n1 + 1\n")).toThrow("guide.md: a block is never closed")
  })
})

describe("instrument", () => {
  const body = (code: string) => instrument(block(code), "assertions").replace(/^import.*?; /, "")

  it("turns comments into assertions without moving a line", () => {
    expect(body("f(\n  1\n) // => [1]")).toBe(";$equal((f(\n  1\n)), ([1])) // => [1]")
    expect(body("f()\n// => 1")).toBe(";$equal((f()), (1))\n// => 1")
    expect(body("const a = 1 // => 1")).toBe("const a = 1; $equal(a, (1)) // => 1")
    expect(body("run(() => {\n  a // => 1\n})")).toBe("run(() => {\n  ;$equal((a), (1)) // => 1\n})")
    expect(body("console.log(a) // => it's 1")).toBe(`console.log(a); $logged("it's 1") // => it's 1`)
  })

  it("refuses a comment that follows nothing, and what does not parse", () => {
    expect(() => body("// => 1")).toThrow(`guide.md:10: there is nothing to compare before "// => 1"`)
    expect(() => body("const { a } = b // => 1")).toThrow("there is nothing to compare")
    expect(() => body("const = // => 1")).toThrow("guide.md:10: this is not TypeScript")
  })
})

describe("examples", () => {
  beforeEach(captureOutput)

  const run = async (code: string) => {
    const [example] = write("self-test", [block(code)])
    await import(`${example?.path}?${encodeURIComponent(code)}`)
  }

  it("pass when they tell the truth", async () => {
    await run(`import { Console, Effect, Option } from "effect"
Option.some(1) // => Option.some(1)
await Effect.runPromise(Effect.succeed({ a: 1 })) // => { a: 1 }
console.log("a", { b: 1 }) // => a { b: 1 }
Effect.runSync(Effect.gen(function*() {
  yield* Effect.succeed(2) // => 2
  yield* Console.log("c") // => c
}))`)
  })

  it("fail when they do not", async () => {
    await expect(run("1 + 1 // => 3")).rejects.toThrow("expected 2 to deeply equal 3")
    await expect(run(`console.log("a") // => b`)).rejects.toThrow("expected 'a' to be 'b'")
    await expect(run(`throw new Error("boom")`)).rejects.toThrow("boom")
  })

  it("fail to compile with the place in the document", { timeout: 60_000 }, () => {
    const code = `import { Effect } from "effect"\nconst a: string = 1\nEffect.void`
    expect(typecheck("self-test", write("self-test", [block(code)]))).toEqual([
      expect.stringMatching(/^guide.md:12: error TS2322: /),
      expect.stringMatching(/^guide.md:13: error .*floatingEffect/)
    ])
  })
})
