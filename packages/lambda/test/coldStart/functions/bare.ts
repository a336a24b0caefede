/** Nothing but a function: what a container costs by itself. */
export const handler = (): Promise<string> => Promise.resolve("42")
