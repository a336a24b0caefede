/** What identifies a credential in a header whose value is new for each request, since it holds a signature. */

/** `AWS id:signature`, and others of that form. */
const idBeforeColon = /^(?:AWS|COS|GOOG1|OBS|OSS|SharedKey|SharedKeyLite)\s+([^\s:]+):/i

/** `name=value` or `name="value"`, after the scheme or one of `,`, `;` and `&`. */
const parameter = /(?:^|[\s,;&])([A-Za-z][\w-]*)=(?:"([^"]*)"|([^\s,;&]*))/g

/** Parameters that hold a signature, in lower case. Only where there is one can the rest of the value differ. */
const signatures = ["signature", "sig", "mac", "hmac", "response", "oauth_signature"]

/** Parameters that say whose signature it is. */
const identities = [
  "credential",
  "access",
  "keyid",
  "key_id",
  "id",
  "username",
  "client_token",
  "access_token",
  "oauth_consumer_key",
  "oauth_token"
]

/** Returns what stays the same in all requests with a credential: the whole value, unless it is known to be signed. */
export const identityOf = (value: string): string => {
  const [, id] = idBeforeColon.exec(value) ?? []
  const scheme = value.split(/\s/, 1)[0] ?? ""
  if (id !== undefined) return JSON.stringify([scheme, id])
  const parameters = new Map(
    Array.from(value.matchAll(parameter), ([, name = "", quoted, plain]) => [name.toLowerCase(), quoted ?? plain ?? ""])
  )
  if (!signatures.some((name) => parameters.has(name))) return value
  const found = identities.flatMap((name) => {
    const identity = parameters.get(name)
    // A credential of SigV4 goes on with the day and the service.
    return identity === undefined ? [] : [name, name === "credential" ? identity.split("/")[0] ?? "" : identity]
  })
  return found.length === 0 ? value : JSON.stringify([scheme, ...found])
}
