/** Bodies that are sent in a coding such as gzip. `fetch` decodes them; undici and `node:http` hand them over as they came. */
import * as Effect from "effect/Effect"
import type { HttpClientError } from "effect/http/HttpClientError"
import { type HttpClientResponse, toWeb } from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"

/** The longest text that is decoded: a few bytes may stand for gigabytes. */
const maxDecodedBytes = 10_000_000

/** What `DecompressionStream` calls each coding. Which ones there are depends on the platform. */
const formats: Readonly<Record<string, string>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  br: "brotli",
  zstd: "zstd"
}

const zstdStart = [0x28, 0xb5, 0x2f, 0xfd]

const codingsOf = ({ headers }: HttpClientResponse): ReadonlyArray<string> =>
  (headers["content-encoding"] ?? "").toLowerCase().split(",").map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity")

/**
 * Whether the client has decoded a body already: `fetch` has, whose response is then no plain `Response` of a program.
 * To be asked when the body has been read: asking takes the response from its client's own clean-up.
 */
export const isDecoded = (response: HttpClientResponse, body: Uint8Array): boolean =>
  codingsOf(response).length > 0 &&
  Option.exists(toWeb(response), ({ type }) => type !== "default") &&
  codingsOf(response).every((coding) => formats[coding] !== undefined) &&
  // Not every `fetch` decodes it, and this is how it starts.
  !(codingsOf(response).includes("zstd") && zstdStart.every((byte, i) => body[i] === byte))

/**
 * Returns the text of a whole body, decoded; `undefined` for one in a coding that the platform does not know, for one that
 * is not in the coding that it names, and for one of more than 10 MB.
 */
export const decodedText = (response: HttpClientResponse): Effect.Effect<string | undefined, HttpClientError> => {
  const codings = codingsOf(response)
  if (codings.length === 0) return response.text
  return Effect.flatMap(response.arrayBuffer, (buffer) => {
    if (isDecoded(response, new Uint8Array(buffer))) return response.text
    return Effect.orElseSucceed(Effect.tryPromise(() => decode(buffer, codings)), () => undefined)
  })
}

const decode = async (buffer: ArrayBuffer, codings: ReadonlyArray<string>): Promise<string | undefined> => {
  let stream: ReadableStream<Uint8Array> = new Blob([buffer]).stream()
  for (const coding of codings.toReversed()) {
    // The types know fewer formats than platforms do. One that is not there throws.
    const format = (formats[coding] ?? coding) as ConstructorParameters<typeof DecompressionStream>[0]
    const { readable, writable } = new DecompressionStream(format)
    // It takes any buffer, and the types of a browser and of Node name that differently.
    stream = stream.pipeThrough({ readable, writable: writable as WritableStream<Uint8Array> })
  }
  const decoder = new TextDecoder()
  let text = ""
  let length = 0
  const reader = stream.getReader()
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    length += read.value.byteLength
    if (length > maxDecodedBytes) {
      await reader.cancel()
      return undefined
    }
    text += decoder.decode(read.value, { stream: true })
  }
  return text + decoder.decode()
}
