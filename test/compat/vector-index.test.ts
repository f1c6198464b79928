// The vector index of a segment as versions 1 and 2 wrote it: the files in index-v1/ and index-v2/ open, and hold what they held.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { concatBytes, toUtf8 } from '../../src/base/bytes.ts'
import { seededRandom } from '../../src/base/random.ts'
import { crc32c } from '../../src/format/checksum.ts'
import { CardBlock, encodeCards } from '../../src/format/row-card.ts'
import { KernelHeap } from '../../src/kernels/heap.ts'
import { loadKernels } from '../../src/kernels/kernels.ts'
import { buildIndex } from '../../src/vector/build.ts'
import { decodeHead, decodeRows, encodeHead, encodeRows, unitRange, verifyUnit } from '../../src/vector/index-codec.ts'
import { IndexReader } from '../../src/vector/index-reader.ts'
import { slotsOfList } from '../../src/vector/list-codec.ts'
import { arraySource, paddedDimension } from '../../src/vector/space.ts'

type Version = 1 | 2
const path = (version: Version, name = ''): string => join(import.meta.dirname, `index-v${version}`, name)
const read = (version: Version, name: string): Uint8Array => new Uint8Array(readFileSync(path(version, name)))

/** How the files were made; runs only where they are absent. */
async function make(version: Version): Promise<void> {
  const [dimension, count] = [10, 240]
  const random = seededRandom(1)
  const vectors = Float32Array.from({ length: count * dimension }, () => random.next() - 0.5)
  const steps = buildIndex(new KernelHeap(await loadKernels()), arraySource(vectors, dimension), { metric: 'euclidean', clusters: 4 }, random)
  let step = steps.next()
  while (!step.done) step = steps.next()
  const { head, list, records } = step.value
  const cardEnds = new Uint32Array(head.clusters + 1)
  const units = Array.from({ length: head.clusters }, (_, c) => {
    const own = head.slots[c + 1]! - head.slots[c]!
    // Version 2 has cards also of the rows that are here in the second place.
    const rows = Array.from(slotsOfList(list(c), paddedDimension(dimension)), (slot) => head.rowOfSlot[slot]!).slice(0, version === 1 ? own : undefined)
    const place = (row: number) => ({ start: row * 3, size: 3, checksum: row + 1 })
    const cards = encodeCards(rows.map((row) => ({ row, keyBytes: toUtf8(`clé ${row}`), changed: { seq: 2 ** 33 + row, ordinal: row % 7 }, vectorChecksum: row * 5, metadata: place(row), document: row % 2 ? place(row) : null })))
    cardEnds[c + 1] = cardEnds[c]! + cards.length
    return concatBytes([list(c), records(c), cards])
  })
  mkdirSync(path(version))
  writeFileSync(path(version, 'vector-index.bin'), encodeHead({ head: { ...head, rowCount: 300 }, cardEnds, hasEntryCards: version === 2, checksums: Uint32Array.from(units, (unit) => crc32c(unit)) }))
  writeFileSync(path(version, 'vector-rows.bin'), encodeRows(head.rowOfSlot))
  writeFileSync(path(version, 'vector-lists.bin'), concatBytes(units))
  writeFileSync(path(version, 'vector-index.json'), `${JSON.stringify(await describeFiles(version), null, 1)}\n`)
}

/** All that the files say, and what a search of them answers. */
async function describeFiles(version: Version): Promise<unknown> {
  const lists = read(version, 'vector-lists.bin')
  const stored = decodeHead(read(version, 'vector-index.bin'), lists.length, 'v1')
  const { head } = stored
  const rows = decodeRows(read(version, 'vector-rows.bin'), head, 'v1')
  const heap = new KernelHeap(await loadKernels())
  const reader = new IndexReader(heap, head)
  const cards: unknown[] = []
  for (let c = 0; c < head.clusters; c++) {
    const range = unitRange(stored, c)
    const unit = verifyUnit(stored, c, lists.subarray(range.start, range.end), 'v1')
    reader.setList(c, unit.slice(0, range.records - range.start))
    reader.setRecords(c, unit.slice(range.records - range.start, range.cards - range.start))
    const count = version === 1 ? head.slots[c + 1]! - head.slots[c]! : reader.entriesOf(c).length
    const block = new CardBlock(unit.slice(range.cards - range.start), count, 'v1')
    for (let place = 0; place < count; place += 16) cards.push(block.at(place))
  }
  const state = reader.begin(Float32Array.from({ length: head.space.dimension }, (_, i) => i / 10 - 0.4))
  reader.plan(state, { probes: 2, margin: Infinity })
  reader.scan(state, 60)
  const found = [...reader.rerank(state, 12)]
  const { space, clusters, count, rowCount, effort, spread } = head
  return { space: { ...space, center: [...space.center] }, clusters, count, rowCount, effort, spread, listBlocks: [...head.listBlocks], slots: [...head.slots], rows: [...rows], cards, found }
}

test.each([1, 2] as const)('the index that version %d wrote opens with equal content, and a search of it answers the same', async (version) => {
  if (!existsSync(path(version, 'vector-index.bin'))) await make(version)
  expect(JSON.parse(JSON.stringify(await describeFiles(version)))).toEqual(JSON.parse(readFileSync(path(version, 'vector-index.json'), 'utf8')))
})
