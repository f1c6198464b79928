// The index of one segment, read piece by piece: how many trips that takes, and whose rows come back.
import { beforeAll, describe, expect, test } from 'vitest'
import { Bitset } from '../base/bitset.ts'
import { concatBytes, toUtf8 } from '../base/bytes.ts'
import { seededRandom } from '../base/random.ts'
import { finishInTurns } from '../base/steps.ts'
import { crc32c } from '../format/checksum.ts'
import { encodeCards } from '../format/row-card.ts'
import { KernelHeap } from '../kernels/heap.ts'
import { loadKernels } from '../kernels/kernels.ts'
import { buildIndex, type BuiltIndex } from '../vector/build.ts'
import type { Metric } from '../vector/exact-search.ts'
import { encodeHead, encodeRows, indexSections } from '../vector/index-codec.ts'
import { slotsOfList } from '../vector/list-codec.ts'
import { arraySource, paddedDimension } from '../vector/space.ts'
import { noTally, SegmentIndex, type IndexedRow, type SectionSource } from './segment-index.ts'
import { VectorMemory } from './vector-memory.ts'

const [dimension, count, clusters, k] = [48, 6000, 150, 10]
const random = seededRandom(11)
const centers = Array.from({ length: 60 }, () => Array.from({ length: dimension }, () => random.next() - 0.5))
const vectorAround = (cloud: number) => Float32Array.from(centers[cloud]!, (value) => value + 0.9 * (random.next() - 0.5))
const rows = Array.from({ length: count }, (_, row) => vectorAround(row % 60))
const queries = Array.from({ length: 60 }, (_, i) => vectorAround(i))
const metrics = ['cosine', 'dot', 'euclidean'] as const
const built = new Map<Metric, BuiltIndex>()

beforeAll(async () => {
  for (const metric of metrics) {
    const source = arraySource(Float32Array.from(rows.flatMap((row) => [...row])), dimension)
    built.set(metric, await finishInTurns(buildIndex(new KernelHeap(await loadKernels()), source, { metric, clusters }, seededRandom(1)), () => Promise.resolve()))
  }
}, 120_000)

/** The sections of an index, as version 1 and as version 2 has them. */
function sectionsOf({ head, list, records }: BuiltIndex, hasEntryCards: boolean): Map<string, Uint8Array> {
  const place = { start: 0, size: 0, checksum: 0 }
  const cardEnds = new Uint32Array(head.clusters + 1)
  const units = Array.from({ length: head.clusters }, (_, c) => {
    const slots = slotsOfList(list(c), paddedDimension(dimension)).subarray(0, hasEntryCards ? undefined : head.slots[c + 1]! - head.slots[c]!)
    const cards = encodeCards(Array.from(slots, (slot) => head.rowOfSlot[slot]!).map((row) => ({ row, keyBytes: toUtf8(`key ${row}`), changed: { seq: row, ordinal: 1 }, vectorChecksum: row, metadata: place, document: null })))
    cardEnds[c + 1] = cardEnds[c]! + cards.length
    return concatBytes([list(c), records(c), cards])
  })
  const stored = { head, cardEnds, hasEntryCards, checksums: Uint32Array.from(units, (unit) => crc32c(unit)) }
  return new Map([[indexSections.head, encodeHead(stored)], [indexSections.rows, encodeRows(head.rowOfSlot)], [indexSections.lists, concatBytes(units)]])
}

/** An index of which nothing is in memory. */
function coldIndex(sections: Map<string, Uint8Array>): SegmentIndex {
  const source: SectionSource = {
    key: 'segment',
    sizeOf: (name) => sections.get(name)!.length,
    whole: (name) => Promise.resolve(sections.get(name)!),
    range: (name, start, end) => Promise.resolve(sections.get(name)!.slice(start, end)),
  }
  return new SegmentIndex(source, new VectorMemory(1 << 26))
}

function exact(metric: Metric, a: Float32Array, b: Float32Array): number {
  const product = a.reduce((sum, value, i) => sum + value * b[i]!, 0)
  if (metric === 'dot') return -product
  if (metric === 'euclidean') return Math.hypot(...a.map((value, i) => value - b[i]!))
  return 1 - product / Math.hypot(...a) / Math.hypot(...b)
}

const noneDead = new Bitset(count)
const isRough = ({ farthest }: IndexedRow) => farthest === Infinity

describe.each(metrics)('%s', (metric) => {
  const bestOf = (found: readonly IndexedRow[], query: Float32Array) =>
    found.map(({ card }) => card.row).sort((a, b) => exact(metric, rows[a]!, query) - exact(metric, rows[b]!, query)).slice(0, k)

  test('a cold search takes one trip after the head, and what it cannot score finely it still finds', async () => {
    const [sections, older] = [sectionsOf(built.get(metric)!, true), sectionsOf(built.get(metric)!, false)]
    let [rough, same, olderTrips] = [0, 0, 0]
    for (const query of queries) {
      const [tally, olderTally] = [{ ...noTally }, { ...noTally }]
      const found = await coldIndex(sections).search(query, { k, recall: 0.9 }, noneDead, null, tally)
      const olderFound = await coldIndex(older).search(query, { k, recall: 0.9 }, noneDead, null, olderTally)
      expect(tally.roundTrips).toBe(2)
      olderTrips += olderTally.roundTrips
      expect(olderFound.some(isRough)).toBe(false)
      rough += found.filter(isRough).length
      expect(new Set(found.map(({ card }) => card.row)).size).toBe(found.length)
      for (const { card, slot } of found) {
        expect(card).toMatchObject({ key: `key ${card.row}`, changed: { seq: card.row, ordinal: 1 }, vectorChecksum: card.row })
        expect(built.get(metric)!.head.rowOfSlot[slot]).toBe(card.row)
      }
      const expected = new Set(bestOf(olderFound, query))
      same += bestOf(found, query).filter((row) => expected.has(row)).length
    }
    expect(rough).toBeGreaterThan(queries.length)
    expect(olderTrips / queries.length).toBeGreaterThan(2.5)
    expect(same / queries.length / k).toBeGreaterThan(0.99)
  })

  test('distances lie within their bounds, and those by 8-bit codes are narrow', async () => {
    const sections = sectionsOf(built.get(metric)!, true)
    let [outside, all, width] = [0, 0, 0]
    const spread = exact(metric, rows[0]!, queries[1]!) - exact(metric, rows[0]!, queries[0]!)
    for (const query of queries) {
      for (const each of await coldIndex(sections).search(query, { k, recall: 0.9 }, noneDead, null, { ...noTally })) {
        const distance = exact(metric, rows[each.card.row]!, query)
        if (distance < each.nearest - 1e-6 || distance > each.farthest + 1e-6) outside++
        if (!isRough(each)) width = Math.max(width, each.farthest - each.nearest)
        all++
      }
    }
    expect(outside / all).toBeLessThan(0.02)
    expect(width).toBeLessThan(Math.abs(spread) / 5)
  })

  test('with all of it in memory nothing is read, and nothing is rough', async () => {
    const index = coldIndex(sectionsOf(built.get(metric)!, true))
    await index.warm({ ...noTally })
    const tally = { ...noTally }
    const found = await index.search(queries[0]!, { k, recall: 0.9 }, noneDead, null, tally)
    expect(found.some(isRough)).toBe(false)
    expect(tally).toMatchObject({ requests: 0, roundTrips: 0 })
  })
})
