import { ExactNearest } from './exact-nearest.ts'
import { KeyTable } from './key-table.ts'
import type { MovedRecord } from './record.ts'
import type { RecordSource } from './source.ts'
import type { RecordTarget } from './target.ts'

/** How alike source and destination are, by reading all of the one and asking the other. */
export interface Verification {
  /** Ids in the source that could be taken, each once. */
  readonly sourceCount: number
  /** Of those, at the destination: equal in every part, different (they were there before, or were changed since), and absent. */
  readonly equal: number
  readonly different: number
  readonly missing: number
  readonly missingKeys: readonly string[]
  readonly queries: number
  /** Mean share of the ten nearest by exact search over the old vectors that the new search gives; null without a query. */
  readonly overlap: number | null
}

const queriesMax = 20
const nearestCount = 10
/** Candidates kept of the exact search: those at the same distance as the tenth are as right as it. */
const keptCount = 50
const batchRecords = 500
const toldMax = 100

export interface VerifyOptions {
  /** Records of the source, whose vectors are the questions. */
  readonly sample: readonly MovedRecord[]
  readonly dimension: number
  readonly metric: 'cosine' | 'euclidean' | 'dot'
  /** Whether the destination holds records of others too: they are passed over in its answers. */
  readonly isShared: boolean
  readonly signal?: AbortSignal
}

/** Reads the source once more, independently of the move: every id is looked up, and sampled searches are compared. */
export async function verifyMove(source: RecordSource, target: RecordTarget, { sample, dimension, metric, isShared, signal }: VerifyOptions): Promise<Verification> {
  const seen = new KeyTable()
  const searches = sample.slice(0, queriesMax).map(({ vector }) => ({ vector, nearest: new ExactNearest<string>(vector, { metric, k: keptCount }) }))
  const counts = { equal: 0, different: 0, missing: 0 }
  const missingKeys: string[] = []
  let batch: MovedRecord[] = []
  const settle = async () => {
    const found = await target.fingerprints(batch.map(({ key }) => key))
    batch.forEach((record, i) => {
      const outcome = found[i] === null ? 'missing' : found[i] === target.fingerprintOf(record) ? 'equal' : 'different'
      counts[outcome]++
      if (outcome === 'missing' && missingKeys.length < toldMax) missingKeys.push(record.key)
    })
    batch = []
  }
  for await (const item of source.read(null)) {
    signal?.throwIfAborted()
    if (!('record' in item)) continue
    const { record } = item
    if (record.vector.length !== dimension || target.check(record) !== null || !seen.add(record.key)) continue
    for (const { nearest } of searches) nearest.offer(record.vector, () => record.key)
    if (batch.push(record) === batchRecords) await settle()
  }
  if (batch.length > 0) await settle()
  let overlapSum = 0
  for (const { vector, nearest } of searches) {
    const given = (await target.nearest(vector, isShared ? keptCount : nearestCount)).filter((key) => seen.has(key)).slice(0, nearestCount)
    overlapSum += shareFound(nearest, given)
  }
  return { sourceCount: seen.size, ...counts, missingKeys, queries: searches.length, overlap: searches.length === 0 ? null : overlapSum / searches.length }
}

/** Whatever is as near as the tenth is right. Distances of the two sides differ by rounding. */
function shareFound({ best }: ExactNearest<string>, given: readonly string[]): number {
  const expected = Math.min(nearestCount, best.length)
  if (expected === 0) return 1
  const limit = best[expected - 1]!.distance + 1e-6
  const right = new Set(best.filter(({ distance }) => distance <= limit).map(({ item }) => item))
  return given.filter((key) => right.has(key)).length / expected
}
