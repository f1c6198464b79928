import type { Random } from '../base/random.ts'
import type { MovedRecord } from './record.ts'
import type { RecordSource } from './source.ts'

const sampleSize = 20
/** A sample that a run could not take on its way is of the first records only: nothing is read whole for it. */
const itemsMax = 500

/** A uniform sample of a stream of unknown length: Vitter 1985, "Random sampling with a reservoir", algorithm R. */
export class RecordSample {
  readonly records: MovedRecord[] = []
  readonly #random: Random
  #seen = 0

  constructor(random: Random) {
    this.#random = random
  }

  get isFull(): boolean {
    return this.records.length === sampleSize
  }

  offer(record: MovedRecord): void {
    // All zeros has no direction: nothing is nearest to it.
    if (record.vector.every((value) => value === 0)) return
    this.#seen++
    if (!this.isFull) this.records.push(record)
    else {
      const place = Math.floor(this.#random.next() * this.#seen)
      if (place < sampleSize) this.records[place] = record
    }
  }
}

/** The sample that a run took, or, where little was left to read, one of the first records. */
export async function completeSample(sample: RecordSample, source: RecordSource, { dimension, random }: { dimension: number; random: Random }): Promise<readonly MovedRecord[]> {
  if (sample.isFull) return sample.records
  const first = new RecordSample(random)
  let items = 0
  for await (const item of source.read(null)) {
    if (items++ >= itemsMax) break
    if ('record' in item && item.record.vector.length === dimension) first.offer(item.record)
  }
  return first.records
}
