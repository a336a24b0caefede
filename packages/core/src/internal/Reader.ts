/**
 * Readers turn an unknown value into a valid one, or note what is wrong with it and go on, so that every mistake of a
 * policy is reported at once.
 */
import * as Duration from "effect/Duration"
import { type PolicyIssue, unknownOption } from "../PolicyError.ts"

/** Where mistakes are noted. */
export interface Reading {
  readonly issues: Array<PolicyIssue>
  /** Whether a duration has to name its unit, as in a `ConfigProvider`, where a 10 may be meant as seconds. */
  readonly requiresUnits?: boolean | undefined
}

export interface Reader<A> {
  /** What is allowed, in words; part of the error and of the generated table. */
  readonly allowed: string
  /** The same with an example, where a type has forms that are not obvious; part of the error alone. */
  readonly instruction: string
  readonly read: (value: unknown, field: string, reading: Reading) => A | undefined
}

const make = <A>(
  allowed: string,
  parse: (value: unknown, reading: Reading) => A | undefined,
  instruction: string = allowed
): Reader<A> => ({
  allowed,
  instruction,
  read: (value, field, reading) => {
    const parsed = parse(value, reading)
    if (parsed === undefined) {
      reading.issues.push({ field, value, allowed: instruction, ...unitless(value, field, instruction, reading) })
    }
    return parsed
  }
})

/** Names the missing unit, where a number that would do in code is none in a `ConfigProvider`. */
export const unitless = (
  value: unknown,
  field: string,
  instruction: string,
  { requiresUnits }: Reading
): Pick<PolicyIssue, "message"> =>
  requiresUnits === true && typeof value === "number" && instruction.startsWith("a duration")
    ? { message: `${field} is ${value}, without a unit: it must be ${instruction}` }
    : {}

/** The same reading, whose mistakes are not noted. */
export const silently = (reading: Reading): Reading => ({ ...reading, issues: [] })

const toNumber = (value: unknown): number => typeof value === "number" ? value : Number.NaN

// Not `toLocaleString`: loading its tables takes longer than all the rest of a cold start.
const grouped = (value: number): string => String(value).replaceAll(/\B(?=(?:\d{3})+$)/g, ",")

export const integer = (least: number, most: number): Reader<number> =>
  make(`a whole number from ${grouped(least)} to ${grouped(most)}`, (value) => {
    const number = toNumber(value)
    return Number.isInteger(number) && number >= least && number <= most ? number : undefined
  })

export const boolean: Reader<boolean> = make("true or false", (value) => typeof value === "boolean" ? value : undefined)

/** A share of one. A threshold of 0 would open on the first success, so it may be left out. */
export const share = (options: { readonly zero: boolean }): Reader<number> =>
  make(options.zero ? "a number from 0 to 1" : "a number above 0, at most 1", (value) => {
    const number = toNumber(value)
    return number <= 1 && (options.zero ? number >= 0 : number > 0) ? number : undefined
  })

export const atLeast = (least: number): Reader<number> =>
  make(`a number of at least ${least}`, (value) => {
    const number = toNumber(value)
    return Number.isFinite(number) && number >= least ? number : undefined
  })

/** A duration, read to milliseconds. */
export const duration = (least: Duration.Input & string, most: Duration.Input & string): Reader<number> => {
  const from = Duration.toMillis(least)
  const to = Duration.toMillis(most)
  const allowed = `a duration from ${least} to ${most}`
  return make(allowed, (value, { requiresUnits }) => {
    if (requiresUnits === true && typeof value === "number" && value !== 0) return undefined
    const millis = toMillis(value)
    return millis >= from && millis <= to ? millis : undefined
  }, `${allowed}, such as "30 seconds"`)
}

const units = ["weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"]

/** Stricter than `Duration.fromInput`, which takes `NaN` for zero and passes over fields that it doesn't know. */
const toMillis = (value: unknown): number => {
  if (typeof value === "number") return value
  const parts = Array.isArray(value)
    ? Array.from(value)
    : isRecord(value) && !Duration.isDuration(value)
    ? Object.entries(value).map(([unit, part]) => units.includes(unit) ? part : Number.NaN)
    : []
  if (!parts.every((part) => part === undefined || Number.isFinite(part))) return Number.NaN
  const parsed = Duration.fromInput(value as Duration.Input) // a cast only for the type: it answers None for all else
  return parsed._tag === "Some" ? Duration.toMillis(parsed.value) : Number.NaN
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The record at a field, empty where there is none. */
export const record = (
  value: unknown,
  field: string,
  reading: Reading,
  allowed = "an object"
): Readonly<Record<string, unknown>> => {
  if (isRecord(value)) return value
  reading.issues.push({ field, value, allowed })
  return {}
}

export const at = (field: string, name: string): string => field === "" ? name : `${field}.${name}`

/** Notes every field that is not one of the known; `places` says where some that are known elsewhere belong. */
export const onlyKnown = (
  value: Readonly<Record<string, unknown>>,
  known: ReadonlyArray<string>,
  field: string,
  reading: Reading,
  places: Readonly<Record<string, string>> = {}
): void => {
  for (const name of Object.keys(value)) {
    if (known.includes(name) || value[name] === undefined) continue
    const place = Object.hasOwn(places, name) ? places[name] : undefined
    reading.issues.push(unknownOption({ path: field, name, value: value[name], known, place }))
  }
}

/** What is read from: an object whose fields may be anything. */
export type Input = Readonly<Record<string, unknown>>

/** One field that has a default. */
export interface Field {
  readonly reader: Reader<unknown>
  /** As a person would write it. */
  readonly default: string | number | boolean
}

export const field = <A>(reader: Reader<A>, otherwise: string | number | boolean) => ({ reader, default: otherwise })

/** Reads one field, or its default where it is not given. */
export const option = <
  F extends Record<string, { readonly reader: Reader<unknown>; readonly default: unknown }>,
  N extends keyof F & string
>(
  input: Input,
  fields: F,
  name: N,
  path: string,
  reading: Reading
): ReturnType<F[N]["reader"]["read"]> => {
  const { default: otherwise, reader } = fields[name] as F[N]
  const value = input[name] === undefined ? otherwise : input[name]
  // The reader of this field is the one whose result this is.
  return reader.read(value, at(path, name), reading) as ReturnType<F[N]["reader"]["read"]>
}

/** Fields that were read, those with a mistake undefined. */
export type Read<A> = { readonly [K in keyof A]: A[K] | undefined }

export const complete = <A extends object>(fields: Read<A>): A | undefined =>
  // None of them is undefined, which is all that tells the two types apart.
  Object.values(fields).includes(undefined) ? undefined : fields as A
