import { parseAst } from "vitest/node"
import { type Block, nameOf } from "./extract.ts"

interface Edit {
  readonly from: number
  readonly to: number
  readonly text: string
}

/**
 * The block as a module that checks its own `// => value` comments with the functions of `assertions`.
 * Every line stays on its line, so that an error of the compiler can be traced back to the document.
 */
export const instrument = (block: Block, assertions: string): string => {
  const { code } = block
  const nodes = statements(block)
  const edits = Array.from(code.matchAll(/\/\/ *=> *(.*)$/gm), (comment): Edit => {
    const [whole, expected] = comment
    const end = code.slice(0, comment.index).trimEnd().length
    const statement = nodes.find((node) => node.end === end)
    const source = code.slice(statement?.start, end).replace(/;$/, "")
    const constant = /^const ([\w$]+) /.exec(source)?.[1]
    if (statement === undefined || (statement.type === "VariableDeclaration" && constant === undefined)) {
      throw new Error(`${nameOf(block)}: there is nothing to compare before "${whole}"`)
    }
    const after = (text: string) => ({ from: end, to: end, text: `; ${text}` })
    if (/^(?:yield\* |await )?console\.\w+\(/i.test(source)) return after(`$logged(${JSON.stringify(expected)})`)
    if (constant !== undefined) return after(`$equal(${constant}, (${expected}))`)
    return { from: statement.start, to: end, text: `;$equal((${source}), (${expected}))` }
  })
  const header = `import { equal as $equal, logged as $logged } from ${JSON.stringify(assertions)}; `
  const apply = (module: string, { from, text, to }: Edit) => module.slice(0, from) + text + module.slice(to)
  return header + edits.reduceRight(apply, code)
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
}

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "type" in value

/** The statements, at any depth, that a `// =>` comment can follow. */
const statements = (block: Block): ReadonlyArray<Node> => {
  const found: Array<Node> = []
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit)
    if (!isNode(value)) return
    if (value.type === "ExpressionStatement" || value.type === "VariableDeclaration") found.push(value)
    Object.values(value).forEach(visit)
  }
  try {
    visit(parseAst(block.code, { lang: "ts" }))
  } catch (cause) {
    throw new Error(`${nameOf(block)}: this is not TypeScript`, { cause })
  }
  return found
}
