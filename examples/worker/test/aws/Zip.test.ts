import { readFileSync } from "node:fs"
import { join } from "node:path"
import { deflateRawSync } from "node:zlib"
import { assert, describe, it } from "vitest"
import { temporaryFolder } from "../infra/support.ts"
import { unzip } from "./Zip.ts"

/** An archive with one file. */
const archive = (name: string, content: string, method = 8): Buffer => {
  const data = method === 8 ? deflateRawSync(content) : Buffer.from(content)
  const file = Buffer.alloc(30)
  file.writeUInt32LE(0x04034b50)
  file.writeUInt16LE(name.length, 26)
  const entry = Buffer.alloc(46)
  entry.writeUInt32LE(0x02014b50)
  entry.writeUInt16LE(method, 10)
  entry.writeUInt32LE(data.length, 20)
  entry.writeUInt16LE(name.length, 28)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(file.length + name.length + data.length, 16)
  return Buffer.concat([file, Buffer.from(name), data, entry, Buffer.from(name), end])
}

describe("an archive", () => {
  it.each([0, 8])("is unpacked, by method %s", (method) => {
    const folder = temporaryFolder()
    unzip(archive("a/index.mjs", "export {}", method), folder)
    assert.strictEqual(readFileSync(join(folder, "a/index.mjs"), "utf8"), "export {}")
  })

  it("writes nothing outside of its folder", () => {
    assert.throws(() => unzip(archive("../index.mjs", ""), temporaryFolder()), "wants to write ../index.mjs")
  })

  it("is refused in another method, or when it is none", () => {
    assert.throws(() => unzip(archive("a", "", 12), temporaryFolder()), "packed by method 12")
    assert.throws(() => unzip(Buffer.from("no archive"), temporaryFolder()), "this is no zip archive")
  })
})
