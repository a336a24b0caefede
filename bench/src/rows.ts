/** A ratio that we answer for: what is divided by what, and how large it may be. */
export interface Row {
  readonly name: string
  readonly numerator: string
  readonly denominator: string
  readonly target: number
  readonly aim?: number
}

export const rows: ReadonlyArray<Row> = [
  { name: "closed.ok.vsBare", numerator: "closed.ok.reclose", denominator: "closed.ok.bare", target: 5, aim: 4 },
  {
    name: "closed.ok.time.vsBare",
    numerator: "closed.ok.time.reclose",
    denominator: "closed.ok.bare",
    target: 7.5,
    aim: 6
  },
  {
    name: "closed.ok.vsEffect",
    numerator: "closed.ok.reclose",
    denominator: "closed.ok.effect",
    target: 1 / 15,
    aim: 1 / 25
  },
  {
    name: "closed.promise.vsCockatiel",
    numerator: "closed.promise.reclose",
    denominator: "closed.promise.cockatiel",
    target: 1.05
  },
  {
    name: "closed.fail.vsBare",
    numerator: "closed.fail.reclose",
    denominator: "closed.fail.bare",
    target: 2.2,
    aim: 1.7
  },
  { name: "open.reject.vsBare", numerator: "open.reject.reclose", denominator: "open.reject.bare", target: 2 },
  {
    name: "open.reject.vsOpossum",
    numerator: "open.reject.reclose",
    denominator: "open.reject.opossumNative",
    target: 1 / 8
  },
  { name: "open.reject.vsEffect", numerator: "open.reject.reclose", denominator: "open.reject.effect", target: 1 / 30 },
  {
    name: "window.growth",
    numerator: "closed.ok.window100000.reclose",
    denominator: "closed.ok.reclose",
    target: 1.2
  },
  { name: "keys.growth", numerator: "keys.10000.reclose", denominator: "keys.1.reclose", target: 2.5 },
  { name: "fibers.vsBare", numerator: "fibers.reclose", denominator: "fibers.bare", target: 2 }
]

/** Ratios that nobody promised, for the reader who wants to know what the promised ones leave out. */
export const sideRows: ReadonlyArray<Omit<Row, "target" | "aim">> = [
  { name: "closed.promise.vsBare", numerator: "closed.promise.reclose", denominator: "closed.promise.bare" },
  { name: "closed.fail.vsEffect", numerator: "closed.fail.reclose", denominator: "closed.fail.effect" },
  { name: "keys.growth.prepared", numerator: "keys.10000.prepared.reclose", denominator: "keys.1.prepared.reclose" },
  { name: "fibers.effect.vsBare", numerator: "fibers.effect", denominator: "fibers.bare" }
]
