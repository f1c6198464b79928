import { createHash } from 'node:crypto'
import type { Random } from '../../../base/random.ts'
import { forEachPage } from './for-each-page.ts'
import type { CopiedRecord, IndexPlace } from './index-place.ts'

/** How alike source and destination are after a copy. */
export interface Comparison {
  readonly sourceCount: number
  readonly destinationCount: number
  /** Keys of the source that the destination lacks, of all keys. */
  readonly missing: number
  /** Keys that only the destination has. */
  readonly extra: number
  readonly sampled: number
  /** Keys of the sample whose vector or metadata differ. */
  readonly different: readonly string[]
  readonly queries: number
  /** Mean share of the ten nearest that both sides give, over the queries; null without any. */
  readonly overlap: number | null
}

const sampleSize = 100
const queriesMax = 20
const nearestCount = 10

/** Keys as 48 bits of SHA-256 each: ten million of them fit 80 MB. A missing key passes for present once in 2^48 / size. */
export class KeySet {
  readonly #hashes: number[] = []
  #sorted: Float64Array | null = null

  add(key: string): void {
    this.#hashes.push(hashOf(key))
    this.#sorted = null
  }

  get size(): number {
    return this.#hashes.length
  }

  has(key: string): boolean {
    const sorted = (this.#sorted ??= Float64Array.from(this.#hashes).sort())
    const hash = hashOf(key)
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (sorted[middle]! < hash) low = middle + 1
      else high = middle
    }
    return sorted[low] === hash
  }
}

function hashOf(key: string): number {
  return createHash('sha256').update(key).digest().readUIntBE(0, 6)
}

/** A uniform sample of a stream of unknown length: Vitter 1985, "Random sampling with a reservoir", algorithm R. */
export class Sample {
  readonly records: CopiedRecord[] = []
  readonly #random: Random
  #seen = 0

  constructor(random: Random) {
    this.#random = random
  }

  offer(record: CopiedRecord): void {
    this.#seen++
    if (this.records.length < sampleSize) this.records.push(record)
    else {
      const place = Math.floor(this.#random.next() * this.#seen)
      if (place < sampleSize) this.records[place] = record
    }
  }
}

/** Counts every key of the destination, compares a sample of the records, and asks both sides the same questions. */
export async function compareIndexes(from: IndexPlace, to: IndexPlace, { keys, sample, parallel }: { keys: KeySet; sample: Sample; parallel: number }): Promise<Comparison> {
  let destinationCount = 0
  let shared = 0
  await forEachPage(to, 'keys', { parallel }, (page) => {
    destinationCount += page.length
    for (const { key } of page) if (keys.has(key)) shared++
    return Promise.resolve()
  })
  const { records } = sample
  const found = new Map((await to.get(records.map(({ key }) => key))).map((record) => [record.key, record]))
  const different = records.filter((record) => !found.has(record.key) || !isSameRecord(record, found.get(record.key)!, to.keepsDocuments)).map(({ key }) => key)
  const questions = records.flatMap(({ vector }) => (vector ? [vector] : [])).slice(0, queriesMax)
  let overlapSum = 0
  for (const vector of questions) {
    const [expected, given] = await Promise.all([from.query(vector, nearestCount), to.query(vector, nearestCount)])
    const known = new Set(expected)
    overlapSum += given.filter((key) => known.has(key)).length / Math.max(expected.length, 1)
  }
  return {
    sourceCount: keys.size,
    destinationCount,
    missing: keys.size - shared,
    extra: destinationCount - shared,
    sampled: records.length,
    different,
    queries: questions.length,
    overlap: questions.length === 0 ? null : overlapSum / questions.length,
  }
}

/** Whether two records are one: vectors bit for bit as float32, metadata without regard to the order of its keys. */
export function isSameRecord(a: CopiedRecord, b: CopiedRecord, withDocuments: boolean): boolean {
  if ((a.vector === null) !== (b.vector === null) || a.vector?.length !== b.vector?.length) return false
  if (a.vector?.some((value, i) => value !== b.vector![i])) return false
  return (!withDocuments || a.document === b.document) && isSameJson(a.metadata, b.metadata)
}

function isSameJson(a: unknown, b: unknown): boolean {
  // A wire without long integers gives the nearest double.
  if (typeof a === 'bigint' || typeof b === 'bigint') return Number(a) === Number(b)
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  const [keysOfA, keysOfB] = [Object.keys(a), Object.keys(b)]
  if (Array.isArray(a) !== Array.isArray(b) || keysOfA.length !== keysOfB.length) return false
  return keysOfA.every((key) => Object.hasOwn(b, key) && isSameJson((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
}
