import type { Random } from '../base/random.ts'
import type { MovedRecord } from './record.ts'
import type { RecordSource } from './source.ts'

const sampleSize = 20
/** A source is read up to here for it: far enough to reach many objects, and never all of a long one. */
const itemsMax = 20_000

/** A uniform sample of the first records: Vitter 1985, "Random sampling with a reservoir", algorithm R. */
export async function sampleRecords(source: RecordSource, { dimension, random }: { dimension: number; random: Random }): Promise<MovedRecord[]> {
  const sample: MovedRecord[] = []
  let seen = 0
  for await (const item of source.read(null)) {
    if (seen >= itemsMax) break
    if (!('record' in item) || item.record.vector.length !== dimension) continue
    seen++
    if (sample.length < sampleSize) sample.push(item.record)
    else {
      const place = Math.floor(random.next() * seen)
      if (place < sampleSize) sample[place] = item.record
    }
  }
  return sample
}
