/** Which credentials have circuits, what those are called, and what they cost. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, CircuitStore, type Policy, TripRule } from "@reclose/core"
import { Credentials, GuardedHttpClient, HttpBreaker, type HttpPolicy } from "@reclose/http"
import { Duration, Effect, Layer } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { clients, guarded, guardedBy } from "./clients.ts"
import { makeUpstream, status, type Upstream } from "./Upstream.ts"

const signed = (signature: number | string) =>
  `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261201/eu-west-1/execute-api/aws4_request, ` +
  `SignedHeaders=host;x-amz-date, Signature=${signature}`

const get = (url: string, authorization: string) =>
  Effect.flatMap(
    GuardedHttpClient,
    (client) =>
      client.execute(HttpClientRequest.get(url).pipe(HttpClientRequest.setHeader("authorization", authorization)))
  ).pipe(
    Effect.tap((response) => response.text)
  )

const endOf = (url: string, authorization: string) =>
  Effect.catch(
    Effect.map(get(url, authorization), ({ status }) => String(status)),
    ({ _tag }) => Effect.succeed(_tag as string)
  )

const circuits = Effect.map(
  Effect.flatMap(CircuitBreaker, ({ list }) => list),
  (all) => all.filter(({ key }) => key.startsWith("credential:"))
)

/** A guarded client over a store that counts what is read from it. */
const counting = (policy: HttpPolicy.HttpPolicy, breaker: Policy.Policy = {}) => {
  const reads: Array<string> = []
  const Store = Layer.effect(
    CircuitStore,
    Effect.map(CircuitStore, (store) =>
      CircuitStore.make({
        ...store,
        read: (key) => Effect.andThen(Effect.sync(() => void reads.push(key)), store.read(key))
      }))
  ).pipe(Layer.provide(CircuitStore.layerMemory))
  const layer = HttpBreaker.layer(policy).pipe(
    Layer.provide(clients.undici),
    Layer.provideMerge(CircuitBreaker.layer(breaker)),
    Layer.provide(Store)
  )
  return { reads, layer }
}

const threeRefusals = {
  keys: { "credential:*": { tripRule: TripRule.consecutive(3), openDuration: "5 seconds" } }
} as const

describe("a credential that is new for each request", () => {
  it.live.each<readonly [string, (i: number) => string]>([
    ["whose signature names its key", (i) => signed(i)],
    ["whose signature names nothing", (i) => `Proprietary ${i}:${"x".repeat(i % 7)}`],
    ["that is a token of its own", (i) => `Bearer token-${i}`]
  ])("makes no circuits and reads no store, %s", ([, authorization]) => {
    const { layer, reads } = counting({ credentials: {} })
    return Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      for (let i = 0; i < 200; i++) yield* get(upstream.url("/ok"), authorization(i))
      assert.isAtMost((yield* circuits).length, 1)
      // One for the host, and one for the credential at most.
      assert.isAtMost(reads.length, 2)
    }).pipe(Effect.provide(layer))
  })

  it.live("evicts no circuit of a sick host, also where it is refused", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const sick = yield* makeUpstream()
      const breaker = yield* CircuitBreaker
      const origin = new URL(sick.url("/")).origin
      for (let i = 0; i < 3; i++) yield* endOf(sick.url("/status?code=500"), "Bearer one")
      for (let i = 0; i < 200; i++) yield* endOf(upstream.url("/status?code=401"), `Bearer ${i}`)
      assert.strictEqual((yield* Effect.orDie(breaker.state(origin))).counts.failed, 3)
      assert.deepStrictEqual(
        (yield* breaker.list).filter(({ key }) => !key.startsWith("credential:")).map(({ key }) => key).sort(),
        [origin, new URL(upstream.url("/")).origin].sort()
      )
      assert.isAtMost((yield* circuits).length, 1)
    }).pipe(Effect.provide(guarded({ policy: { credentials: {} }, breaker: { maxKeys: 10 } }))))

  it.live("opens one circuit for all requests that are signed with one key, once they are refused", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const url = upstream.url("/status?code=403")
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* endOf(url, signed(i)), "403")
      assert.strictEqual(yield* endOf(url, signed("another")), "CircuitOpen")
      assert.strictEqual(yield* endOf(url, signed(1).replace("AKIDEXAMPLE", "AKIDANOTHER")), "403")
      assert.strictEqual(upstream.requests.length, 4)
    }).pipe(Effect.provide(guarded({ policy: { credentials: {} }, breaker: threeRefusals }))))
})

describe("what identifies a credential", () => {
  const keyOf = (authorization: string) =>
    Credentials.circuitKey(
      HttpClientRequest.get("http://a/").pipe(
        HttpClientRequest.setHeader("authorization", authorization)
      )
    )

  it.effect.each<readonly [string, string, string, string]>([
    ["SigV4", signed(1), signed(2), signed(1).replace("AKIDEXAMPLE", "AKIDANOTHER")],
    ["SigV4 of another day", signed(1), signed(1).replace("20261201", "20261202"), "Bearer AKIDEXAMPLE"],
    ["SigV2", "AWS AKID:abc=", "AWS AKID:def=", "AWS ANOTHER:abc="],
    ["SharedKey", "SharedKey account:a", "SharedKey account:b", "SharedKey another:a"],
    [
      "HTTP signatures",
      "Signature keyId=\"one\",algorithm=\"hmac\",signature=\"a,b\"",
      "Signature keyId=\"one\",algorithm=\"hmac\",signature=\"c\"",
      "Signature keyId=\"two\",algorithm=\"hmac\",signature=\"c\""
    ],
    [
      "Digest",
      "Digest username=\"ann\", realm=\"r\", nonce=\"1\", response=\"a\"",
      "Digest username=\"ann\", realm=\"r\", nonce=\"2\", response=\"b\"",
      "Digest username=\"bob\", realm=\"r\", nonce=\"2\", response=\"b\""
    ],
    [
      "Hawk",
      "Hawk id=\"a\", ts=\"1\", mac=\"x\"",
      "Hawk id=\"a\", ts=\"2\", mac=\"y\"",
      "Hawk id=\"b\", ts=\"2\", mac=\"y\""
    ],
    [
      "OAuth 1",
      "OAuth oauth_consumer_key=\"k\",oauth_token=\"t\",oauth_nonce=\"1\",oauth_signature=\"a\"",
      "OAuth oauth_consumer_key=\"k\",oauth_token=\"t\",oauth_nonce=\"2\",oauth_signature=\"b\"",
      "OAuth oauth_consumer_key=\"k\",oauth_token=\"u\",oauth_nonce=\"2\",oauth_signature=\"b\""
    ],
    [
      "EdgeGrid",
      "EG1-HMAC-SHA256 client_token=c;access_token=a;timestamp=1;nonce=1;signature=x",
      "EG1-HMAC-SHA256 client_token=c;access_token=a;timestamp=2;nonce=2;signature=y",
      "EG1-HMAC-SHA256 client_token=d;access_token=a;timestamp=2;nonce=2;signature=y"
    ]
  ])("is the id in a signature: %s", ([, one, same, another]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* keyOf(one), yield* keyOf(same))
      assert.notStrictEqual(yield* keyOf(one), yield* keyOf(another))
    }))

  it.effect.each(["Bearer a=1,b=", "Basic YTpi", "Token token=", "Bearer id=1&scope="])(
    "is all of what holds no signature: %s",
    (start) =>
      Effect.gen(function*() {
        assert.notStrictEqual(yield* keyOf(`${start}x`), yield* keyOf(`${start}y`))
      })
  )
})

describe("the key of a credential's circuit", () => {
  const request = HttpClientRequest.get("http://a/").pipe(HttpClientRequest.basicAuth("ann", "summer"))

  it.effect("can't be guessed from a password: it has a salt of the process, or of the deployment", () =>
    Effect.gen(function*() {
      const text = ["a", "authorization", request.headers["authorization"]].join("\n")
      const digest = yield* Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)))
      const unsalted = Buffer.from(digest).toString("hex")
      const ours = yield* Credentials.circuitKey(request)
      const deployed = yield* Credentials.circuitKey(request, ["authorization"], "a secret of the deployment")
      for (const key of [ours, deployed]) assert.notInclude(unsalted, String(key).replace("credential:a:", ""))
      assert.strictEqual(ours, yield* Credentials.circuitKey(request))
      assert.notStrictEqual(ours, deployed)
      assert.notStrictEqual(deployed, yield* Credentials.circuitKey(request, ["authorization"], "another secret"))
      // The same in every process of the deployment.
      assert.strictEqual(deployed, "credential:a:5e03996ffa5a22e6")
    }))

  it.live("is that of the policy's salt", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      for (let i = 0; i < 2; i++) yield* get(upstream.url("/ok"), "Bearer one")
      const sent = HttpClientRequest.get(upstream.url("/ok")).pipe(HttpClientRequest.bearerToken("one"))
      const key = yield* Credentials.circuitKey(sent, ["authorization"], "of the deployment")
      assert.deepStrictEqual((yield* circuits).map((circuit) => circuit.key), [key])
    }).pipe(Effect.provide(guarded({ policy: { credentials: { salt: "of the deployment" } } }))))
})

describe("a refused credential", () => {
  const openFor = (upstream: Upstream) =>
    Effect.gen(function*() {
      for (let i = 0; i < 3; i++) yield* endOf(upstream.url("/"), "Bearer wrong")
      const error = yield* Effect.flip(get(upstream.url("/"), "Bearer wrong"))
      return error._tag === "CircuitOpen" ? Duration.toSeconds(error.retryAfter) : error._tag
    })

  it.live("is left alone for as long as Retry-After asks", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.always = status(403, { "retry-after": "60" })
      const seconds = yield* openFor(upstream)
      assert.isAbove(Number(seconds), 50)
    }).pipe(Effect.provide(guarded({ policy: { credentials: {} }, breaker: threeRefusals }))))

  it.live("counts where the client takes its refusal for an error", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.always = status(401)
      assert.isAtMost(Number(yield* openFor(upstream)), 5)
    }).pipe(Effect.provide(guardedBy(
      Layer.provide(
        Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, HttpClient.filterStatusOk)),
        clients.undici
      ),
      { policy: { credentials: {} }, breaker: threeRefusals }
    ))))

  it.live.each([408, 429, 500])("is not taken for accepted by a %s", (code) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.next.push(status(401), status(401), status(code), status(401))
      for (let i = 0; i < 4; i++) yield* endOf(upstream.url("/"), "Bearer wrong")
      assert.strictEqual(yield* endOf(upstream.url("/"), "Bearer wrong"), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy: { credentials: {} }, breaker: threeRefusals }))))

  it.live("counts from its first request on, though its circuit comes with the second", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      upstream.always = status(401)
      yield* endOf(upstream.url("/"), "Bearer wrong")
      assert.strictEqual(yield* endOf(upstream.url("/"), "Bearer wrong"), "CircuitOpen")
      assert.strictEqual(upstream.requests.length, 1)
    }).pipe(Effect.provide(guarded({
      policy: { credentials: {} },
      breaker: { keys: { "credential:*": { tripRule: TripRule.consecutive(1) } } }
    }))))

  it.live("is rejected from its first request on where an operator has forced its circuit open", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const breaker = yield* CircuitBreaker
      const keyOf = (token: string) =>
        Credentials.circuitKey(HttpClientRequest.get(upstream.url("/ok")).pipe(HttpClientRequest.bearerToken(token)))
      yield* breaker.forceOpen(String(yield* keyOf("leaked")))
      assert.strictEqual(yield* endOf(upstream.url("/ok"), "Bearer leaked"), "CircuitOpen")
      assert.strictEqual(yield* endOf(upstream.url("/ok"), "Bearer other"), "200")
      // A client that is made after that.
      const client = yield* HttpBreaker.make(yield* GuardedHttpClient, { credentials: {} })
      const request = HttpClientRequest.get(upstream.url("/ok")).pipe(HttpClientRequest.bearerToken("leaked"))
      assert.strictEqual((yield* Effect.flip(client.execute(request)))._tag, "CircuitOpen")
      assert.strictEqual(upstream.requests.length, 1)
    }).pipe(Effect.scoped, Effect.provide(guarded({ policy: { credentials: {} } }))))

  it.live("has a circuit though as many accepted ones have one as may, and no more have", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      for (let i = 0; i < 10; i++) {
        for (let again = 0; again < 3; again++) yield* get(upstream.url("/ok"), `Bearer right ${i}`)
      }
      assert.strictEqual((yield* circuits).length, 3)
      for (let i = 0; i < 3; i++) yield* endOf(upstream.url("/status?code=401"), "Bearer wrong")
      assert.strictEqual(yield* endOf(upstream.url("/ok"), "Bearer wrong"), "CircuitOpen")
      // Refused ones keep their places, so that no caller can make room by being refused.
      for (let i = 0; i < 20; i++) {
        for (let again = 0; again < 3; again++) yield* endOf(upstream.url("/status?code=401"), `Bearer wrong ${i}`)
      }
      assert.isAtMost((yield* circuits).length, 6)
      assert.strictEqual(yield* endOf(upstream.url("/ok"), "Bearer wrong"), "CircuitOpen")
    }).pipe(Effect.provide(guarded({ policy: { credentials: { maxKeys: 3 } }, breaker: threeRefusals }))))
})
