/** A function that can't be loaded. */
throw new TypeError("no such table")
