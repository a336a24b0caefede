/** Amazon S3: buckets that are there from the start, and objects in them. */
import { createHash } from "node:crypto"
import { type Answer, AwsError, type Call, type Service, toAwsError, type Xml, xml } from "./Wire.ts"

export interface Objects {
  readonly get: (bucket: string, key: string) => Buffer | undefined
}

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

const answer = (
  status: number,
  body: string | Buffer = "",
  headers: Readonly<Record<string, string>> = {}
): Answer => ({
  status,
  headers: { "content-type": "application/xml", ...headers },
  body
})

const document = (name: string, content: Xml): Answer =>
  answer(200, `<?xml version="1.0" encoding="UTF-8"?>\n<${name} xmlns="${namespace}">${xml(content)}</${name}>`)

/** The content of a body that is sent in signed pieces: each says its length in a line of its own. */
const joined = (body: Buffer): Buffer => {
  const pieces: Array<Buffer> = []
  for (let at = 0; at < body.length;) {
    const end = body.indexOf("\r\n", at)
    const length = Number.parseInt(body.subarray(at, end).toString("latin1"), 16)
    if (!Number.isSafeInteger(length)) throw new AwsError("IncompleteBody", "a piece does not say its length")
    if (length === 0) break
    pieces.push(body.subarray(end + 2, end + 2 + length))
    at = end + 2 + length + 2
  }
  return Buffer.concat(pieces)
}

const contentOf = ({ body, headers }: Call): Buffer =>
  headers["x-amz-content-sha256"]?.startsWith("STREAMING-") ? joined(body) : body

const etag = (content: Buffer) => `"${createHash("md5").update(content).digest("hex")}"`

export const makeS3 = (
  names: ReadonlyArray<string>,
  region: string
): { readonly service: Service; readonly objects: Objects } => {
  const buckets = new Map(names.map((name) => [name, new Map<string, Buffer>()]))

  const ofBucket = (call: Call, name: string, bucket: Map<string, Buffer>): Answer => {
    const { authorize, method, url: { searchParams } } = call
    const arn = `arn:aws:s3:::${name}`
    if (method === "GET" && searchParams.has("location")) {
      authorize("s3:GetBucketLocation", arn)
      return answer(200, `<LocationConstraint xmlns="${namespace}">${region}</LocationConstraint>`)
    }
    if (method === "GET" && searchParams.has("encryption")) {
      authorize("s3:GetEncryptionConfiguration", arn)
      const algorithm = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }
      return document("ServerSideEncryptionConfiguration", { Rule: algorithm })
    }
    if (method === "GET" && searchParams.get("list-type") === "2") {
      authorize("s3:ListBucket", arn)
      const prefix = searchParams.get("prefix") ?? ""
      const keys = [...bucket.keys()].filter((key) => key.startsWith(prefix))
      const contents = keys.map((key) =>
        xml({ Contents: { Key: key, Size: bucket.get(key)?.length, StorageClass: "STANDARD" } })
      )
      const head = xml({ Name: name, Prefix: prefix, KeyCount: keys.length, MaxKeys: 1000, IsTruncated: false })
      return answer(200, `<ListBucketResult xmlns="${namespace}">${head}${contents.join("")}</ListBucketResult>`)
    }
    throw new AwsError("NotImplemented", `this server knows no ${method} ${call.url.search} of a bucket`, 501)
  }

  const ofObject = (call: Call, name: string, bucket: Map<string, Buffer>, key: string): Answer => {
    const { authorize, method, url } = call
    const arn = `arn:aws:s3:::${name}/${key}`
    const isPlain = [...url.searchParams.keys()].every((one) => one === "x-id")
    if (method === "PUT" && isPlain) {
      authorize("s3:PutObject", arn)
      const content = contentOf(call)
      bucket.set(key, content)
      return answer(200, "", { etag: etag(content) })
    }
    if ((method === "GET" || method === "HEAD") && isPlain) {
      authorize("s3:GetObject", arn)
      const content = bucket.get(key)
      if (content === undefined) throw new AwsError("NoSuchKey", "The specified key does not exist.", 404)
      return answer(200, content, { etag: etag(content), "content-type": "application/octet-stream" })
    }
    throw new AwsError("NotImplemented", `this server knows no ${method} ${url.search} of an object`, 501)
  }

  return {
    objects: { get: (bucket, key) => buckets.get(bucket)?.get(key) },
    service: (call) => {
      try {
        const [, name = "", ...path] = decodeURIComponent(call.url.pathname).split("/")
        const bucket = buckets.get(name)
        if (bucket === undefined) throw new AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
        const key = path.join("/")
        return key === "" ? ofBucket(call, name, bucket) : ofObject(call, name, bucket, key)
      } catch (error) {
        const { code, message, status } = toAwsError(error)
        return answer(status, `<Error>${xml({ Code: code, Message: message })}</Error>`)
      }
    }
  }
}
