/** What something costs at AWS in us-east-1, in US dollars, without the free tier; as published on the date. */
export const prices = {
  date: '2026-11',
  region: 'us-east-1',
  s3: { putPerThousand: 0.005, getPerThousand: 0.0004, storagePerGbMonth: 0.023 },
  s3vectors: { putPerGb: 0.2, storagePerGbMonth: 0.06 },
} as const

/** Requests and money of a migration, before it. An upper estimate: retries not counted, small steps rounded up. */
export interface Estimate {
  readonly sourceGets: number
  readonly sourceLists: number
  readonly destinationPuts: number
  readonly destinationGets: number
  /** Of one run of the migration, its check included. */
  readonly dollars: number
  /** Of what lies at the destination afterwards. */
  readonly dollarsPerMonth: number
  readonly prices: typeof prices
}

const stepRecords = 500

/** @param destination What is charged there; `other`: nothing that we know prices of. */
export function estimate({ objects, files, records, sizeBytes, mode, destination }: { objects: number; files: number; records: number; sizeBytes: number; mode: 'reuse' | 'embed'; destination: 'bucket' | 's3vectors' | 'other' }): Estimate {
  const { s3, s3vectors } = prices
  const read = mode === 'reuse' ? objects : files
  // The source is read once to move and once to check; the look at it beforehand is a dry run of its own.
  const sourceGets = mode === 'reuse' ? 2 * objects : files
  const sourceLists = Math.ceil(read / 1000) * (mode === 'reuse' ? 2 : 1)
  const steps = Math.ceil(records / stepRecords)
  // A step is noted, written and marked. Commits are flushed into segments, which are merged now and then: about one more put for each.
  const destinationPuts = mode === 'reuse' ? steps * 2 + (destination === 'bucket' ? steps * 2 : 0) + 2 : files * 3
  const destinationGets = mode === 'reuse' ? steps * 4 : files * 2
  const stored = sizeBytes / 1e9
  const requests = ((sourceLists + destinationPuts) * s3.putPerThousand + (sourceGets + destinationGets) * s3.getPerThousand) / 1000
  const dollars = requests + (destination === 's3vectors' ? stored * s3vectors.putPerGb : 0)
  const perGb = destination === 's3vectors' ? s3vectors.storagePerGbMonth : destination === 'bucket' ? s3.storagePerGbMonth : 0
  return { sourceGets, sourceLists, destinationPuts, destinationGets, dollars, dollarsPerMonth: stored * perGb, prices }
}
