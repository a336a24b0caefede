/** Certificates that are their own authority, made when a test needs one: so none is kept, and none expires in between. */
import { Effect, type Scope } from "effect"
import { generateKeyPairSync, randomBytes, sign } from "node:crypto"
import { getCACertificates, setDefaultCACertificates } from "node:tls"

export interface Certificate {
  /** As PEM, both of them. */
  readonly key: string
  readonly cert: string
}

export interface Subject {
  /** The address that it is for: 127.0.0.1 unless set. */
  readonly address?: ReadonlyArray<number>
  /** For how many hours from now on: 24 unless set. */
  readonly hours?: number
}

// What DER is made of: a tag, the length of what follows, and that.
const der = (tag: number, ...contents: ReadonlyArray<Uint8Array>): Uint8Array => {
  const content = Buffer.concat(contents)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
const sequence = (...contents: ReadonlyArray<Uint8Array>) => der(0x30, ...contents)
const octets = (content: Uint8Array) => der(0x04, content)
const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"))
const time = (millis: number) =>
  der(0x17, Buffer.from(new Date(millis).toISOString().replaceAll(/^\d\d|[-:T]|\.\d+/g, "")))
const yes = der(0x01, Buffer.from([0xff]))

const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"))
const commonName = oid("550403")
const alternativeNames = oid("551d11")
const basicConstraints = oid("551d13")

const hour = 3_600_000

export const makeCertificate = ({ address = [127, 0, 0, 1], hours = 24 }: Subject = {}): Certificate => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" })
  const named = sequence(der(0x31, sequence(commonName, der(0x0c, Buffer.from("upstream")))))
  const now = Date.now()
  const content = sequence(
    // Version 3, and a serial number that is positive.
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1]), randomBytes(8)),
    ecdsaWithSha256,
    named,
    sequence(time(now - 24 * hour), time(now + hours * hour)),
    named,
    publicKey.export({ type: "spki", format: "der" }),
    der(
      0xa3,
      sequence(
        sequence(basicConstraints, yes, octets(sequence(yes))),
        sequence(alternativeNames, octets(sequence(der(0x87, Buffer.from(address)))))
      )
    )
  )
  // The bits of the signature fill their bytes.
  const signature = der(0x03, Buffer.from([0]), sign("sha256", content, privateKey))
  const encoded = Buffer.from(sequence(content, ecdsaWithSha256, signature)).toString("base64")
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${encoded.replaceAll(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`
  }
}

/** A certificate that all clients of this process trust until the scope closes, and no other one. */
export const trusted = (subject: Subject = {}): Effect.Effect<Certificate, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const before = getCACertificates("default")
        const certificate = makeCertificate(subject)
        setDefaultCACertificates([certificate.cert])
        return { before, certificate }
      }),
      ({ before }) => Effect.sync(() => setDefaultCACertificates(before))
    ),
    ({ certificate }) => certificate
  )
