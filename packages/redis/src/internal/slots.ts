/** Which node of a cluster a command belongs to. */

export const slotCount = 16_384

/** CRC16 in the variant that Redis Cluster prescribes (XMODEM). */
const crc16 = (bytes: Uint8Array): number => {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
    crc &= 0xffff
  }
  return crc
}

const encoder = new TextEncoder()

/** Returns the slot of a key. If its first pair of braces holds something, only that counts. */
export const slotOf = (key: string): number => {
  const start = key.indexOf("{")
  const end = start === -1 ? -1 : key.indexOf("}", start + 1)
  return crc16(encoder.encode(end > start + 1 ? key.slice(start + 1, end) : key)) % slotCount
}

const scripts = new Set(["EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"])

const keyless = new Set([
  "ACL",
  "CLIENT",
  "CLUSTER",
  "COMMAND",
  "CONFIG",
  "DBSIZE",
  "ECHO",
  "INFO",
  "PING",
  "PUBLISH",
  "TIME"
])

/**
 * Returns the first key of a command, or `undefined` for one that any node can run. The key is the first argument, or the
 * first key of a script. Where a command has it elsewhere, the node that gets it answers which node it belongs to.
 */
export const keyOf = ([name = "", ...args]: ReadonlyArray<string>): string | undefined => {
  const command = name.toUpperCase()
  if (scripts.has(command)) return args[1] === "0" ? undefined : args[2]
  return keyless.has(command) ? undefined : args[0]
}
