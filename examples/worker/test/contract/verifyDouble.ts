/**
 * Verifies the double of a dependency against the contracts in a folder, as it is and with each breach, and sends what came
 * of it to who has started this.
 *
 * A process of its own, because Pact's library prints page after page of what it finds, past whatever may catch it.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Verifier } from "@pact-foundation/pact"
import { Effect, Schema, type Scope } from "effect"
import { readdirSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { serve } from "../../src/local/Upstream.ts"
import { breaches, type Response } from "./breaches.ts"

export interface Verification {
  readonly isVerified: boolean
  /** What Pact found that the contract does not allow, by type; what it said instead, if that is not to be understood. */
  readonly mismatches: ReadonlyArray<string>
  /** How many requests came to the double. */
  readonly asked: number
}

/** What came of it, without a breach (`none`) and with each. */
export type Verifications = Readonly<Record<string, Verification>>

/** What stands between the verifier and the double, and may change what the double answers. */
const between = (origin: string, change: (response: Response) => Response): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const server = createServer((request, response) => {
          const pass = async () => {
            const chunks: Array<Uint8Array> = []
            for await (const chunk of request) chunks.push(chunk)
            const answer = await fetch(`${origin}${request.url}`, {
              method: request.method ?? "GET",
              headers: { "idempotency-key": String(request.headers["idempotency-key"]) },
              body: Buffer.concat(chunks)
            })
            const headers = ["content-type", "retry-after"].flatMap((name) => {
              const value = answer.headers.get(name)
              return value === null ? [] : [[name, value]]
            })
            const changed = change({
              status: answer.status,
              headers: Object.fromEntries(headers),
              body: await answer.text()
            })
            response.writeHead(changed.status, changed.headers).end(changed.body)
          }
          pass().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
        })
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
        return server
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
    ),
    // A server that listens on a port has such an address.
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  )

/** What Pact answers, also as the message of the error that it rejects with. */
const Report = Schema.fromJsonString(Schema.Struct({
  errors: Schema.Array(Schema.Struct({
    mismatch: Schema.Struct({
      mismatches: Schema.Array(Schema.Struct({ type: Schema.String, mismatch: Schema.String }))
    })
  }))
}))

const mismatchesIn = (report: string) =>
  Effect.match(Schema.decodeEffect(Report)(report), {
    onFailure: () => [report],
    onSuccess: ({ errors }) =>
      errors.flatMap(({ mismatch: { mismatches } }) => mismatches.map(({ mismatch, type }) => `${type}: ${mismatch}`))
  })

/** Has Pact ask the double what the worker would ask it, in each of the states that the contract names. */
const verify = Effect.fnUntraced(function*(dir: string, change: (response: Response) => Response) {
  const upstream = yield* serve()
  const state = (health: typeof upstream.health, refused: ReadonlyArray<string> = []) => () => {
    upstream.health = health
    upstream.refused.clear()
    for (const id of refused) upstream.refused.add(id)
    return Promise.resolve()
  }
  const verifier = new Verifier({
    provider: "dependency",
    providerBaseUrl: yield* between(upstream.url, change),
    pactUrls: readdirSync(dir).map((file) => join(dir, file)),
    logLevel: "error",
    stateHandlers: {
      "orders are taken": state("healthy"),
      "the order is refused": state("healthy", ["order-1"]),
      "there are too many orders": state("throttling"),
      "it is overloaded": state("failing")
    }
  })
  const { isVerified, report } = yield* Effect.promise(() =>
    verifier.verifyProvider().then(
      (report) => ({ isVerified: true, report: String(report) }),
      (error: unknown) => ({ isVerified: false, report: error instanceof Error ? error.message : String(error) })
    )
  )
  const mismatches = yield* mismatchesIn(report)
  const verification: Verification = { isVerified, mismatches, asked: upstream.received.length }
  return verification
}, Effect.scoped)

const program = Effect.gen(function*() {
  const dir = process.argv[2] ?? "."
  const verified: Record<string, Verification> = { none: yield* verify(dir, (response) => response) }
  for (const [name, { change }] of Object.entries(breaches)) verified[name] = yield* verify(dir, change)
  yield* Effect.callback<void>((resume) => void process.send?.(verified, () => resume(Effect.void)))
})

NodeRuntime.runMain(program)
