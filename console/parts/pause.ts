/** What works longer than that is asked for once in so long. */
const pauseMsMax = 60_000

/** How long to wait before something is asked for again, of which nothing new was heard `count` times. */
export function pauseMs(first: number, count: number): number {
  return Math.min(pauseMsMax, first * 1.3 ** count)
}
