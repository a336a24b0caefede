const collect = globalThis.gc

/** Twice, because what a finalizer lets go of is only free the second time. */
export const collectGarbage = () => {
  if (collect === undefined) throw new Error("run this with --expose-gc")
  collect()
  collect()
}

/** Array buffers live outside of the heap and count all the same: a window may well keep its bits in one. */
export const bytesInUse = () => {
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
