import { assert, describe, it } from "@effect/vitest"
import * as Requests from "../src/Requests.ts"

const parse = (...lines: ReadonlyArray<string>) => Requests.parse(lines.join("\n"), 50)

const problemOf = (line: string): string => {
  const { mistakes, requests } = parse(line)
  assert.lengthOf(requests, 0)
  assert.lengthOf(mistakes, 1)
  return mistakes[0]?.problem ?? ""
}

describe("Requests", () => {
  it("reads every field", () => {
    const { mistakes, requests } = parse(
      `{"url":"https://a.test/x?y=1","method":"POST","headers":{"X-Trace":"7"},"body":{"a":[1]},"key":"k","at":120.5}`
    )
    assert.deepStrictEqual(mistakes, [])
    const [request] = requests
    assert.strictEqual(request?.key, "k")
    assert.strictEqual(request?.at, 120.5)
    assert.strictEqual(request?.http.method, "POST")
    assert.strictEqual(request?.http.url, "https://a.test/x?y=1")
    assert.strictEqual(request?.http.headers["x-trace"], "7")
    assert.strictEqual(request?.http.headers["content-type"], "application/json")
  })

  it("sends text as it is", () => {
    const { requests } = parse(`{"url":"http://a.test","method":"PUT","body":"plain"}`)
    assert.strictEqual(requests[0]?.http.headers["content-type"], "text/plain")
  })

  it("takes the origin for a missing key", () => {
    const { requests } = parse(`{"url":"http://a.test:81/x"}`, `{"url":"https://b.test/y"}`)
    assert.deepStrictEqual(requests.map(({ key }) => key), ["http://a.test:81", "https://b.test"])
  })

  it("lets a request without a time follow the one before, and sorts by time", () => {
    const { requests } = parse(
      `{"url":"http://a.test/0"}`,
      `{"url":"http://a.test/1","at":500}`,
      `{"url":"http://a.test/2"}`,
      `{"url":"http://a.test/3","at":20}`
    )
    assert.deepStrictEqual(requests.map(({ at, http }) => [http.url.slice(-1), at]), [
      ["0", 0],
      ["3", 20],
      ["1", 500],
      ["2", 550]
    ])
  })

  it("names each bad line and loses none of the others", () => {
    const { mistakes, requests } = parse(
      `{"url":"http://a.test/1"}`,
      "",
      `{"url":`,
      `{"url":"http://a.test/2"}\r`,
      `{"method":"GET"}`,
      "   ",
      `{"url":"http://a.test/3"}`
    )
    assert.deepStrictEqual(mistakes.map(({ line }) => line), [3, 5])
    assert.deepStrictEqual(requests.map(({ http }) => http.url), [
      "http://a.test/1",
      "http://a.test/2",
      "http://a.test/3"
    ])
  })

  it("ignores a byte order mark", () => {
    assert.lengthOf(parse(`\uFEFF{"url":"http://a.test"}`).requests, 1)
  })

  it.each([
    [`nonsense`, /^is no JSON: SyntaxError/],
    [`[]`, /Expected object/],
    [`{}`, /^url: is missing$/],
    [`{"url":"ftp://a.test"}`, /^url: .*http or https URL/],
    [`{"url":"/relative"}`, /^url: .*http or https URL/],
    [`{"url":"http://a.test","method":"get"}`, /^method: .*"GET"/],
    [`{"url":"http://a.test","metod":"POST"}`, /^metod: is no field of a request$/],
    [`{"url":"http://a.test","headers":{"a":"x\\ny"}}`, /^headers\.a: /],
    [`{"url":"http://a.test","headers":{"a b":"x"}}`, /^headers\.a b: /],
    [`{"url":"http://a.test","body":"x"}`, /GET request has no body/],
    [`{"url":"http://a.test","key":""}`, /^key: .*1 to 512 characters/],
    [`{"url":"http://a.test","key":"a\\u0007"}`, /^key: .*control character/],
    [`{"url":"http://a.test","at":-1}`, /^at: .*greater than or equal to 0/],
    [`{"url":3,"at":"soon"}`, /^url: .*; at: /]
  ])("says what is wrong with %s", (line, problem) => {
    assert.match(problemOf(line), problem)
  })

  it("quotes nothing that would steer a terminal", () => {
    assert.notMatch(problemOf(`{"url":"http://a.test","\\u001b[2J":1}`), /\p{Cc}/u)
  })
})
