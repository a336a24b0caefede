/** An endpoint that speaks DynamoDB's protocol and answers what a test says, or hands on to a real server. */
import { Effect, type Scope } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"

export interface FakeRequest {
  /** Such as `GetItem`. */
  readonly action: string
  readonly input: Record<string, unknown>
  /** The time by which it was signed, in milliseconds since 1970. */
  readonly signed: number
}

export type Reply =
  | { readonly _tag: "Answer"; readonly output: object; readonly date?: string | null }
  | {
    readonly _tag: "Error"
    readonly status: number
    readonly name: string
    readonly message?: string
    readonly more?: object
    readonly date?: string
  }
  /** Lets a real server at this endpoint answer, as if it were this date. */
  | { readonly _tag: "Forward"; readonly endpoint: string; readonly date?: string }
  /** Lets a real server do it, and then drops the connection, when something else has been done meanwhile. */
  | { readonly _tag: "Lose"; readonly endpoint: string; readonly meanwhile?: () => Promise<unknown> }
  /** Never answers. */
  | { readonly _tag: "Silence" }
  /** Drops the connection. */
  | { readonly _tag: "Hangup" }

export interface FakeDynamo {
  readonly endpoint: string
  /** What was asked, in order. */
  readonly requests: ReadonlyArray<FakeRequest>
  /** How many requests were closed by the client before they were answered. */
  readonly aborted: () => number
}

export const answer = (output: object, date?: string | null): Reply => ({
  _tag: "Answer",
  output,
  ...(date === undefined ? {} : { date })
})

/** An error as DynamoDB tells it. */
export const error = (name: string, status = 400, message = `about ${name}`, more: object = {}): Reply => ({
  _tag: "Error",
  status,
  name,
  message,
  more
})

const body = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** Of the header `20261201T090000Z`. */
const signedAt = (request: IncomingMessage): number =>
  Date.parse(
    String(request.headers["x-amz-date"]).replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z")
  )

const ask = (endpoint: string, request: IncomingMessage, text: string) => {
  const headers = Object.entries(request.headers).filter(([name]) => !["host", "connection"].includes(name))
  return fetch(endpoint, {
    method: "POST",
    body: text,
    headers: headers.map(([name, value]): [string, string] => [name, String(value)])
  })
}

const send = async (reply: Reply, request: IncomingMessage, text: string, response: ServerResponse) => {
  response.setHeader("content-type", "application/x-amz-json-1.0")
  switch (reply._tag) {
    case "Silence":
      return
    case "Hangup":
      request.socket.destroy()
      return
    case "Lose":
      await ask(reply.endpoint, request, text)
      await reply.meanwhile?.()
      request.socket.destroy()
      return
    case "Forward": {
      const answered = await ask(reply.endpoint, request, text)
      response.statusCode = answered.status
      for (const name of ["date", "x-amz-crc32"]) {
        const value = answered.headers.get(name)
        if (value !== null) response.setHeader(name, value)
      }
      if (reply.date !== undefined) response.setHeader("date", reply.date)
      response.end(await answered.text())
      return
    }
    case "Error":
      response.statusCode = reply.status
      if (reply.date !== undefined) response.setHeader("date", reply.date)
      response.end(JSON.stringify({
        __type: `com.amazonaws.dynamodb.v20120810#${reply.name}`,
        message: reply.message,
        ...reply.more
      }))
      return
    case "Answer":
      if (reply.date === null) response.sendDate = false
      else if (reply.date !== undefined) response.setHeader("date", reply.date)
      response.end(JSON.stringify(reply.output))
  }
}

/** Answers by what `handle` says, `index` counting the requests from 0. */
export const fakeDynamo = (
  handle: (request: FakeRequest, index: number) => Reply
): Effect.Effect<FakeDynamo, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<FakeDynamo & { readonly close: () => void }>((resume) => {
      const requests: Array<FakeRequest> = []
      let aborted = 0
      const server = createServer(async (request, response) => {
        response.on("close", () => {
          if (!response.writableEnded) aborted++
        })
        const text = await body(request)
        const action = String(request.headers["x-amz-target"]).split(".")[1] ?? ""
        const asked = { action, input: JSON.parse(text), signed: signedAt(request) }
        requests.push(asked)
        // A real server that is gone looks like this one being gone.
        await send(handle(asked, requests.length - 1), request, text, response).catch(() => request.socket.destroy())
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({
          endpoint: `http://127.0.0.1:${port}`,
          requests,
          aborted: () => aborted,
          close: () => {
            server.close()
            server.closeAllConnections()
          }
        }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
