/** Reads archives as the CDK CLI writes them: stored or deflated entries, none of them larger than 4 GB. */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { inflateRawSync } from "node:zlib"

const endOfDirectory = 0x06054b50
const entryOfDirectory = 0x02014b50

/** Writes all files of an archive to a folder. */
export const unzip = (archive: Buffer, folder: string): void => {
  const end = archive.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]))
  if (end < 0 || archive.readUInt32LE(end) !== endOfDirectory) throw new Error("this is no zip archive")
  let at = archive.readUInt32LE(end + 16)
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    if (archive.readUInt32LE(at) !== entryOfDirectory) throw new Error("the zip archive's directory is damaged")
    const method = archive.readUInt16LE(at + 10)
    const packed = archive.readUInt32LE(at + 20)
    const nameLength = archive.readUInt16LE(at + 28)
    const start = archive.readUInt32LE(at + 42)
    const name = normalize(archive.toString("utf8", at + 46, at + 46 + nameLength))
    // The file's own header may have an extra field of another length than the directory's.
    const data = start + 30 + archive.readUInt16LE(start + 26) + archive.readUInt16LE(start + 28)
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32)
    if (name.startsWith("..")) throw new Error(`the zip archive wants to write ${name}`)
    if (name.endsWith("/")) continue
    if (method !== 0 && method !== 8) throw new Error(`${name} is packed by method ${method}, not by deflate`)
    const content = archive.subarray(data, data + packed)
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, method === 0 ? content : inflateRawSync(content))
  }
}
