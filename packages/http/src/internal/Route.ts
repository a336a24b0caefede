/** Routes: paths with parameters, matched segment by segment. */

/** What may follow the segments that led here. */
interface Node {
  readonly texts: Map<string, Node>
  parameter: Node | undefined
  rest: string | undefined
  /** The route that ends here. */
  route: string | undefined
}

const makeNode = (): Node => ({ texts: new Map(), parameter: undefined, rest: undefined, route: undefined })

export type Routes = Node

export const toRoutes = (templates: ReadonlyArray<string>): Routes => {
  const root = makeNode()
  for (const template of templates) {
    const segments = template.split("/").filter((segment) => segment !== "")
    const route = segments.map((segment) => `/${segment}`).join("")
    let node = root
    for (const [i, segment] of segments.entries()) {
      if (segment === "*" && i === segments.length - 1) {
        node.rest ??= route
        node = makeNode()
      } else {
        node = next(node, segment)
      }
    }
    node.route ??= route
  }
  return root
}

const next = (node: Node, segment: string): Node => {
  if (segment.startsWith(":")) return node.parameter ??= makeNode()
  const text = asInUrl(segment)
  const existing = node.texts.get(text)
  if (existing !== undefined) return existing
  const made = makeNode()
  node.texts.set(text, made)
  return made
}

/** Paths of URLs have some characters encoded that people write as they are. */
const asInUrl = (segment: string): string =>
  new URL(`/${segment.replaceAll(/[?#\\]/g, encodeURIComponent)}`, "http://a").pathname.slice(1)

/** The route of a path, undefined for one that has none. At each segment a text comes before a parameter. */
export const matchRoute = (node: Node, segments: ReadonlyArray<string>, from = 0): string | undefined => {
  const segment = segments[from]
  if (segment === undefined) return node.route
  const text = node.texts.get(segment)
  return (text === undefined ? undefined : matchRoute(text, segments, from + 1)) ??
    (node.parameter === undefined ? undefined : matchRoute(node.parameter, segments, from + 1)) ??
    node.rest
}

const identifiers = [
  /^\d+$/,
  /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i,
  /^(?=.*\d)[\da-f]{8,}$/i,
  /^(?=(?:\D*\d){3})[\w-]{16,}$/
]

/** Whether a segment looks like an id. */
export const isIdentifier = (segment: string): boolean => identifiers.some((pattern) => pattern.test(segment))
