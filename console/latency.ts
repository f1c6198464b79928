/** What one query took. */
export interface Measurement {
  readonly at: number
  readonly ms: number
  /** To the bucket; of them, those for vectors. */
  readonly requests: number
  readonly vectorRequests: number
  readonly bytesRead: number
  readonly question: string
}

const keptMax = 60
const recent: Measurement[] = []

/** Of this page's life, oldest first. */
export function measurements(): readonly Measurement[] {
  return recent
}

export function addMeasurement(measurement: Measurement): void {
  recent.push(measurement)
  if (recent.length > keptMax) recent.shift()
}

/** Where what a query needed was: all in memory; vectors in memory, and words or texts read from the bucket; or vectors read as well. */
export type Warmth = 'memory' | 'texts' | 'cold'

// The check for newer writes asks for the manifest and for the next number of the log, whatever is in memory.
const requestsAlways = 2

export function warmthOf({ requests, vectorRequests }: Pick<Measurement, 'requests' | 'vectorRequests'>): Warmth {
  if (vectorRequests > 0) return 'cold'
  return requests <= requestsAlways ? 'memory' : 'texts'
}

/** The value below which a share of `values` lies; null of none. */
export function quantile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? null
}
