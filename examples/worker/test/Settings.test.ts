/** What the function's environment may say, and what is said of an environment that says something else. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import * as Settings from "../src/Settings.ts"
import { file } from "./policyFile.ts"

type Environment = Readonly<Record<string, string>>

const complete: Environment = {
  SERVICE: "quotes",
  CIRCUITS_TABLE: "circuits",
  QUEUE_URL: "https://sqs.example/jobs",
  DEAD_LETTER_QUEUE_URL: "https://sqs.example/dead",
  MAX_RECEIVE_COUNT: "5",
  ALLOWED_ORIGINS: "https://quotes.example, http://127.0.0.1:8080/"
}

const read = (env: Environment) =>
  Effect.provideService(Settings.read, ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))

const mistakesIn = (env: Environment) => Effect.map(Effect.flip(read(env)), ({ mistakes }) => mistakes)

const policy = (value: unknown): Environment => ({ ...complete, POLICY: JSON.stringify(value) })

describe("the settings", () => {
  it.effect("are what the environment says, with the default policies unless it names others", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* read(complete), {
        service: "quotes",
        circuitsTable: "circuits",
        queueUrl: "https://sqs.example/jobs",
        deadLetterQueueUrl: "https://sqs.example/dead",
        maxReceiveCount: 5,
        origins: new Set(["https://quotes.example", "http://127.0.0.1:8080"]),
        circuits: {},
        http: { timeLimits: { headers: "10 seconds", body: "10 seconds" } }
      })
    }))

  it.effect("hold a policy of both parts, from a variable or from a file", () =>
    Effect.gen(function*() {
      const parts = { circuits: { openDuration: "5 seconds" }, http: { timeLimits: { headers: "2 seconds" } } }
      const inline = yield* read(policy(parts))
      assert.deepStrictEqual<unknown>(inline.circuits, parts.circuits)
      assert.deepStrictEqual<unknown>(inline.http, { timeLimits: { headers: "2 seconds", body: "10 seconds" } })
      assert.deepStrictEqual(yield* read({ ...complete, POLICY_FILE: yield* file(JSON.stringify(parts)) }), inline)
    }))

  for (const name of Object.keys(complete).filter((name) => name !== "MAX_RECEIVE_COUNT")) {
    it.effect(`are a mistake without ${name}, or with an empty one`, () =>
      Effect.gen(function*() {
        const { [name]: _, ...others } = complete
        assert.deepStrictEqual(yield* mistakesIn(others), [`${name} is missing`])
        assert.deepStrictEqual(yield* mistakesIn({ ...others, [name]: "" }), [`${name} is missing`])
      }))
  }

  it.effect.each(["", "1", "1001", "2.5", "many"])(
    "are a mistake with MAX_RECEIVE_COUNT as %j",
    (value) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* mistakesIn({ ...complete, MAX_RECEIVE_COUNT: value }), [
          "MAX_RECEIVE_COUNT must be a whole number from 2 to 1000"
        ])
      })
  )

  it.effect.each([
    "quotes.example",
    "https://quotes.example/latest",
    "https://quotes.example/?q=1",
    "https://quotes.example/#top",
    "https://me:secret@quotes.example",
    "https://*.example",
    "ftp://quotes.example",
    "file:///"
  ])("are a mistake with %s among the origins", (origin) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* mistakesIn({ ...complete, ALLOWED_ORIGINS: `https://orders.example,${origin}` }), [
        `ALLOWED_ORIGINS holds ${JSON.stringify(origin)}: it must be an origin, such as https://api.example`
      ])
    }))

  it.effect("are a mistake without any origin", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* mistakesIn({ ...complete, ALLOWED_ORIGINS: " , " }), [
        "ALLOWED_ORIGINS holds no origin, such as https://api.example"
      ])
    }))

  it.effect.each<[string, unknown, ReadonlyArray<RegExp>]>([
    ["a circuit policy that can't be", { circuits: { openDuration: -1 } }, [
      /^circuits\.openDuration is -1: it must be/
    ]],
    ["a field of circuits that is not known", { circuits: { open: 1 } }, [
      /^circuits: Unknown option "open": the options are /
    ]],
    ["an HTTP policy that can't be", { http: { retry: { times: -1 } } }, [/^http\.retry\.times is -1: it must be/]],
    ["mistakes in both parts", { circuits: { jitter: 2 }, http: { settleOn: "never" } }, [
      /^circuits\.jitter is 2/,
      /^http\.settleOn is "never"/
    ]],
    ["a part that is not known", { circuit: {} }, [/^POLICY holds no policy: .*circuit/s]],
    ["parts that are none", { circuits: [], http: 1 }, [/^POLICY holds no policy: .*circuits.*http/s]],
    ["a policy that is no object", 7, [/^POLICY holds no policy/]]
  ])("are a mistake with %s", ([, value, mistakes]) =>
    Effect.gen(function*() {
      const found = yield* mistakesIn(policy(value))
      assert.lengthOf(found, mistakes.length, found.join("\n"))
      mistakes.forEach((mistake, at) => assert.match(found[at] ?? "", mistake))
    }))

  it.effect("are a mistake with a policy that is no JSON, wherever it stands", () =>
    Effect.gen(function*() {
      const [inline] = yield* mistakesIn({ ...complete, POLICY: "circuits: {}" })
      assert.match(inline ?? "", /^POLICY holds no policy: .*JSON/)
      const POLICY_FILE = yield* file("circuits: {}")
      const [inFile] = yield* mistakesIn({ ...complete, POLICY_FILE })
      assert.strictEqual(inFile, inline?.replace("POLICY", POLICY_FILE))
    }))

  it.effect("are a mistake with a policy file that isn't there", () =>
    Effect.gen(function*() {
      const found = yield* mistakesIn({ ...complete, POLICY_FILE: "/no/such/policy.json" })
      assert.lengthOf(found, 1)
      assert.match(found[0] ?? "", /^POLICY_FILE can't be read: .*\/no\/such\/policy\.json/)
    }))

  it.effect("are a mistake with two policies, of which nobody can tell which one is meant", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* mistakesIn({ ...policy({}), POLICY_FILE: yield* file("{}") }), [
        "POLICY and POLICY_FILE are both set: remove one of them"
      ])
    }))

  it.effect("are told with all of their mistakes at once", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(
        read({ ALLOWED_ORIGINS: "a,b", POLICY: `{"http":{"retry":{"times":-1}}}` })
      )
      assert.strictEqual(message.split("\n- ").length, 9)
      for (
        const part of ["SERVICE", "CIRCUITS_TABLE", "QUEUE_URL", "MAX_RECEIVE_COUNT", `"a"`, `"b"`, "http.retry.times"]
      ) {
        assert.include(message, part)
      }
    }))
})
