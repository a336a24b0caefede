/** How often a server was asked, by the name of what it was asked for. */
export type Commands = ReadonlyMap<string, number>

/** Reads what Redis answers to `INFO commandstats`. Commands that scripts run inside of Redis are among them. */
export const commandsIn = (info: string): Commands =>
  new Map(
    Array.from(info.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm), ([, name = "", calls]) => [name, Number(calls)] as const)
      // Who counts asks for this.
      .filter(([name]) => name !== "info")
  )

/** How often a server was asked between two moments. */
export const askedBetween = (before: Commands, after: Commands): number => totalOf(after) - totalOf(before)

const totalOf = (commands: Commands): number => [...commands.values()].reduce((sum, calls) => sum + calls, 0)
