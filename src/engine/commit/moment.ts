import type { Clock } from '../../base/clock.ts'

/** When something was known to be true, by every clock we have. */
export interface Moment {
  /** The store's own clock, where it tells. */
  readonly date: number | undefined
  readonly monotonic: number
  readonly wall: number
}

/** The moment before a request is sent; `atStore` adds what its answer says. */
export function momentNow(clock: Clock): Moment {
  return { date: undefined, monotonic: clock.monotonic(), wall: clock.now() }
}

export function atStore(moment: Moment, date: number | undefined): Moment {
  return { ...moment, date }
}

/**
 * Age of what was known at `then`: the largest of all clocks, because each of them can stand still.
 * A store without a clock, or one that went back, makes it infinitely old (docs/protocol.md, B1).
 * @param storeDate The store's clock in an answer just received; omit before there is one.
 */
export function ageMs(then: Moment, clock: Clock, storeDate?: number | undefined): number {
  const wall = clock.now() - then.wall
  const monotonic = clock.monotonic() - then.monotonic
  let age = Math.max(monotonic, wall)
  if (wall < -60_000) return Infinity
  if (storeDate !== undefined) {
    if (then.date === undefined || storeDate < then.date - 60_000) return Infinity
    age = Math.max(age, storeDate - then.date)
  }
  return age
}
