/** What one query took; `requests` to the bucket tell cold from warm. */
export interface Measurement {
  readonly at: number
  readonly ms: number
  readonly requests: number
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

/** A query is warm when it found all but the check for newer writes in memory: the manifest and the next log number, two requests. */
export function isWarm({ requests }: Pick<Measurement, 'requests'>): boolean {
  return requests <= 2
}

/** The value below which a share of `values` lies; null of none. */
export function quantile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? null
}
