/** Where a URL and the options of a client lead. */
import type { ClientOptions } from "../RedisClient.ts"
import type { Target } from "./Connection.ts"

const localhost = "127.0.0.1"

const standardPort = 6379

const addressOf = (host: string, port: number): string => `${host}:${port}`

/** Returns a socket's options with another host and port. They are those of TCP then, which the compiler can't tell. */
const socketAt = (socket: ClientOptions["socket"], host: string, port: number, tls: boolean) =>
  ({ ...socket, host, port, ...(tls ? { tls: true } : {}) }) as NonNullable<ClientOptions["socket"]>

const parse = (url: string): URL | undefined => {
  try {
    return new URL(url)
  } catch {
    return undefined
  }
}

/** A `%` that begins no escape stands for itself, as in a password that was not encoded. */
const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** Returns where to connect to, or `undefined` for a URL that can't be understood. */
export const targetAt = (url: string | undefined, client: ClientOptions): Target | undefined => {
  if (url === undefined) {
    const { socket } = client
    if (socket !== undefined && "path" in socket && socket.path !== undefined) {
      return { address: socket.path, options: client }
    }
    const host = socket !== undefined && "host" in socket ? socket.host ?? localhost : localhost
    const port = socket !== undefined && "port" in socket ? socket.port ?? standardPort : standardPort
    return { address: addressOf(host, port), options: { ...client, socket: socketAt(socket, host, port, false) } }
  }
  const parsed = parse(url)
  const database = /^\/?(\d{1,9})?$/.exec(parsed?.pathname ?? "/no")
  if (parsed === undefined || !/^rediss?:$/.test(parsed.protocol) || parsed.hostname === "" || database === null) return
  const { hostname, password, port, protocol, username } = parsed
  const host = hostname.replace(/^\[(.*)\]$/, "$1")
  const number = port === "" ? standardPort : Number(port)
  return {
    address: addressOf(host, number),
    options: {
      ...client,
      ...(username === "" ? {} : { username: decoded(username) }),
      ...(password === "" ? {} : { password: decoded(password) }),
      ...(database[1] === undefined ? {} : { database: Number(database[1]) }),
      socket: socketAt(client.socket, host, number, protocol === "rediss:")
    }
  }
}

/** Returns where another node of the same cluster is, under the same credentials. */
export const targetLike = ({ options }: Target, address: string): Target => {
  const end = address.lastIndexOf(":")
  const [host, port] = [address.slice(0, end), Number(address.slice(end + 1))]
  return { address, options: { ...options, socket: socketAt(options.socket, host, port, false) } }
}
