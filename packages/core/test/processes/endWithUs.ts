/** Processes that end with this one, also when no scope is closed any more. */
import type { ChildProcess } from "node:child_process"

const children = new Set<ChildProcess>()
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")))

export const endWithUs = <Child extends ChildProcess>(child: Child): Child => {
  children.add(child)
  child.once("exit", () => children.delete(child))
  return child
}
