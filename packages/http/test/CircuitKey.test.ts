import { Policy } from "@reclose/core"
import { CircuitKey } from "@reclose/http"
import { HttpClientRequest } from "effect/http"
import { assert, describe, it } from "vitest"

const get = (url: string) => HttpClientRequest.get(url)

describe("CircuitKey.origin", () => {
  it.each([
    ["http://api.example/users/7", "http://api.example"],
    ["http://api.example", "http://api.example"],
    ["https://api.example:443/a", "https://api.example"],
    ["https://API.Example:8443/a?b=c#d", "https://api.example:8443"],
    ["https://user:secret@api.example/a", "https://api.example"],
    ["http://[::1]:80/a", "http://[::1]"],
    ["http://api.example?next=/a", "http://api.example"],
    ["http://api.example#/a", "http://api.example"]
  ])("of %s is %s", (url, key) => {
    assert.strictEqual(CircuitKey.origin(get(url)), key)
    // And again, from what it remembers.
    assert.strictEqual(CircuitKey.origin(get(url)), key)
  })

  it.each(["", "/users/7", "users", "http://", "data:text/plain,a", "http://a b/c"])(
    "%j names no circuit",
    (url) => {
      assert.isUndefined(CircuitKey.origin(get(url)))
    }
  )

  it("takes the host that a parser finds behind too many slashes, each time", () => {
    assert.strictEqual(CircuitKey.origin(get("http:///a/x")), "http://a")
    assert.strictEqual(CircuitKey.origin(get("http:///b/x")), "http://b")
  })

  it("remembers a bounded number of origins and still knows the rest", () => {
    for (let i = 0; i < 3_000; i++) assert.strictEqual(CircuitKey.origin(get(`http://h${i}/`)), `http://h${i}`)
    assert.strictEqual(CircuitKey.origin(get("http://h0/x")), "http://h0")
  })
})

describe("CircuitKey.routes", () => {
  const key = CircuitKey.routes([
    "/users/:id",
    "users/me/",
    "/users/:id/orders/:order",
    "/files/*",
    "/a/:b/c",
    "/a/b/:c"
  ])

  it.each([
    ["/users/7", "/users/:id"],
    ["/users/me", "/users/me"],
    ["/users/7/", "/users/:id"],
    ["//users//7", "/users/:id"],
    ["/users/7/orders/8?x=1", "/users/:id/orders/:order"],
    ["/files/a", "/files/*"],
    ["/files/a/b/c", "/files/*"],
    ["/a/b/c", "/a/b/:c"],
    ["/a/x/c", "/a/:b/c"],
    ["/x/../users/7", "/users/:id"]
  ])("%s is %s", (path, route) => {
    assert.strictEqual(key(get(`https://api.example${path}`)), `https://api.example${route}`)
  })

  it.each(["/", "/users", "/files", "/users/7/orders", "/other"])("%s belongs to its origin", (path) => {
    assert.strictEqual(key(get(`https://api.example${path}`)), "https://api.example")
  })

  it("does not depend on the order of the templates", () => {
    const turned = CircuitKey.routes(["/users/me", "/users/:id"].toReversed())
    assert.strictEqual(turned(get("http://a/users/me")), "http://a/users/me")
    assert.strictEqual(turned(get("http://a/users/1")), "http://a/users/:id")
  })

  it("goes back to a parameter where a text leads nowhere", () => {
    const back = CircuitKey.routes(["/a/b/x", "/a/:b/y", "/a/*"])
    assert.strictEqual(back(get("http://h/a/b/y")), "http://h/a/:b/y")
    assert.strictEqual(back(get("http://h/a/b/z")), "http://h/a/*")
  })

  it.each(["/cafés/:id", "/caf%C3%A9s/:id"])("takes %s as people write it, and as URLs do", (template) => {
    const written = CircuitKey.routes([template])
    assert.strictEqual(written(get("http://a/cafés/7")), `http://a${template}`)
    assert.strictEqual(written(get("http://a/caf%C3%A9s/7")), `http://a${template}`)
  })

  it("tells methods apart if asked", () => {
    const methods = CircuitKey.routes(["/users/:id"], { method: true })
    assert.strictEqual(methods(HttpClientRequest.post("http://a/users/1")), "POST http://a/users/:id")
    assert.strictEqual(methods(get("http://a/")), "GET http://a")
  })

  it("no URL, no circuit", () => {
    assert.isUndefined(key(get("/users/7")))
  })
})

describe("CircuitKey.guessedRoutes", () => {
  const key = CircuitKey.guessedRoutes()

  it.each([
    ["/users/7/orders/8", "/users/:id/orders/:id"],
    ["/users/0b1c2d3e-1111-2222-3333-444455556666", "/users/:id"],
    ["/blobs/deadbeef01", "/blobs/:id"],
    ["/o/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/o/:id"],
    ["/v2/users/feedback", "/v2/users/feedback"],
    ["/facade", "/facade"],
    ["/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/*"]
  ])("%s is %s", (path, route) => {
    assert.strictEqual(key(get(`https://api.example${path}`)), `https://api.example${route}`)
  })

  it("knows a bounded number of routes, and gives the rest to their origin", () => {
    const few = CircuitKey.guessedRoutes({ maxRoutes: 2 })
    assert.deepStrictEqual(
      ["/a", "/b", "/c", "/a"].map((path) => few(get(`http://h${path}`))),
      ["http://h/a", "http://h/b", "http://h", "http://h/a"]
    )
  })

  it("is quick about long segments that are no ids", () => {
    const long = `${"1".repeat(7_000)}!`
    for (let i = 0; i < 100; i++) key(get(`http://h/${long}`))
  }, 2_000)
})

describe("every key", () => {
  it.each([
    `http://h/${"x".repeat(5_000)}`,
    `http://h/${"%F0%9F%92%A9".repeat(200)}`,
    "http://h/a%00b",
    "http://h/\u0000\u2028\ud800"
  ])("is one that a breaker takes", (url) => {
    const key = CircuitKey.guessedRoutes()(get(url))
    assert.isTrue(Policy.isKey(key), key)
  })

  it("stays apart from others that are longer than keys may be", () => {
    const key = CircuitKey.guessedRoutes()
    const long = "x".repeat(600)
    assert.notStrictEqual(key(get(`http://h/${long}a`)), key(get(`http://h/${long}b`)))
  })
})
