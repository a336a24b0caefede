/** Processes that end with this one: also when no scope is closed any more, and when this one is killed. */
import { type ChildProcess, spawn } from "node:child_process"
import { Socket } from "node:net"

const children = new Set<ChildProcess>()
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")))

/**
 * Who is killed kills nobody, and who is frozen does not see that its parent is gone. So a shell stands by: it reads which
 * processes there are, a line at each change, until nobody is left to write, and kills those of the last line.
 */
const standBy = `while read -r line; do pids=$line; done; kill -9 $pids`

let lines: NodeJS.WritableStream | undefined

const tell = () => {
  if (lines === undefined) {
    // In a session of its own, where no signal for this one's group comes.
    const shell = spawn("sh", ["-c", standBy], { detached: true, stdio: ["pipe", "ignore", "ignore"] })
    // On systems without a shell nobody can be frozen.
    shell.on("error", () => {}).unref()
    lines = shell.stdin.on("error", () => {})
    if (shell.stdin instanceof Socket) shell.stdin.unref()
  }
  lines.write(`${Array.from(children, ({ pid }) => pid ?? "").join(" ")}\n`)
}

export const endWithUs = <Child extends ChildProcess>(child: Child): Child => {
  children.add(child)
  tell()
  child.once("exit", () => {
    children.delete(child)
    tell()
  })
  return child
}
