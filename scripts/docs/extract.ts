/** A fenced `ts` block of a Markdown file or of a JSDoc comment. */
export interface Block {
  readonly file: string
  /** The line of the opening fence, counted from 1. */
  readonly line: number
  readonly code: string
  /** False for a block fenced as `ts no-run`, which is only type-checked. */
  readonly run: boolean
}

/** How a block is called in test names and messages. */
export const nameOf = (block: Block): string => `${block.file}:${block.line}`

/** Every `ts` block of a file, in order. */
export const extract = (file: string, text: string): ReadonlyArray<Block> => {
  const margin = file.endsWith(".md") ? /^\s*/ : /^\s*\* ?/
  const blocks: Array<Block> = []
  let open: { readonly line: number; readonly run: boolean; readonly body: Array<string> } | undefined
  text.split("\n").forEach((whole, index) => {
    const line = whole.replace(margin, "")
    if (open === undefined) {
      const [fence, ...flags] = margin.test(whole) ? line.trim().split(" ") : []
      if (fence !== "```ts" && fence !== "```typescript") return
      const unknown = flags.find((flag) => flag !== "no-run")
      if (unknown !== undefined) throw new Error(`${file}:${index + 1}: unknown flag ${unknown}`)
      open = { line: index + 1, run: flags.length === 0, body: [] }
    } else if (line.trim() === "```") {
      // `*\/` is how a JSDoc comment writes the end of a comment.
      blocks.push({ file, line: open.line, run: open.run, code: open.body.join("\n").replaceAll("*\\/", "*/") })
      open = undefined
    } else {
      open.body.push(file.endsWith(".md") ? whole : line)
    }
  })
  if (open !== undefined) throw new Error(`${file}: a block is never closed`)
  return blocks
}
