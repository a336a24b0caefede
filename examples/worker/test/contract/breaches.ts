/** Ways in which a dependency may break the contract, each named by what it does then. */

export interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Breach {
  readonly change: (response: Response) => Response
  /** What is found to be wrong then, and nothing else. */
  readonly found: ReadonlyArray<string>
}

/** A breach of the answers with one status. */
const when = (status: number, changes: Partial<Response>, ...found: ReadonlyArray<string>): Breach => ({
  change: (response) => response.status === status ? { ...response, ...changes } : response,
  found
})

export const breaches: Readonly<Record<string, Breach>> = {
  "takes what it should refuse": when(422, { status: 200 }, "StatusMismatch"),
  "doesn't say why it refuses": when(422, { body: "{}" }, "BodyMismatch"),
  "answers with what is no JSON": when(
    200,
    { headers: { "content-type": "text/html" } },
    "BodyTypeMismatch",
    "HeaderMismatch"
  ),
  "fails in another way when there are too many orders": when(429, { status: 500 }, "StatusMismatch"),
  "doesn't say when to come back": when(503, { headers: {} }, "HeaderMismatch"),
  "says when to come back in words": when(429, { headers: { "retry-after": "soon" } }, "HeaderMismatch")
}
