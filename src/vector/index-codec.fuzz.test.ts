import fc from 'fast-check'
import { expect, test } from 'vitest'
import { concatBytes, toUtf8 } from '../base/bytes.ts'
import { isWindlassError } from '../base/errors.ts'
import { seededRandom } from '../base/random.ts'
import { crc32c } from '../format/checksum.ts'
import { CardBlock, encodeCards, type CardFacts } from '../format/row-card.ts'
import { KernelHeap } from '../kernels/heap.ts'
import { loadKernels } from '../kernels/kernels.ts'
import { buildIndex } from './build.ts'
import { decodeHead, decodeRows, encodeHead, encodeRows, unitRange, verifyUnit } from './index-codec.ts'
import { arraySource } from './space.ts'

const kernels = await loadKernels()
const key = 'data/c/segments/s.seg'

function built(metric: 'cosine' | 'dot' | 'euclidean', count: number, dimension: number, clusters: number) {
  const random = seededRandom(count * 31 + dimension)
  const vectors = Float32Array.from({ length: count * dimension }, () => random.next() - 0.5)
  const steps = buildIndex(new KernelHeap(kernels), arraySource(vectors, dimension), { metric, clusters }, random)
  for (;;) {
    const { value, done } = steps.next()
    if (done) return value
  }
}

test.each(['cosine', 'dot', 'euclidean'] as const)('a head of %s comes back as it was built', (metric) => {
  const { head, list, records } = built(metric, 700, 20, 9)
  const units = Array.from({ length: head.clusters }, (_, c) => concatBytes([list(c), records(c), toUtf8(`cards ${c}`)]))
  const cardEnds = Uint32Array.from({ length: head.clusters + 1 }, (_, c) => c * 7)
  const stored = { head: { ...head, rowCount: 900 }, cardEnds, hasEntryCards: metric === 'cosine', checksums: Uint32Array.from(units, (unit) => crc32c(unit)) }
  const size = units.reduce((sum, unit) => sum + unit.length, 0)
  const decoded = decodeHead(encodeHead(stored), size, key)
  // Centroids were rounded before codes were made relative to them, so rounding them again changes nothing.
  expect(decoded).toEqual({ ...stored, head: { ...stored.head, rowOfSlot: null } })
  expect(head.effort.length).toBeGreaterThan(0)
  let at = 0
  units.forEach((unit, c) => {
    const { start, records: recordsAt, cards, end } = unitRange(decoded, c)
    expect([start, recordsAt - start, cards - recordsAt, end - cards]).toEqual([at, list(c).length, records(c).length, 7])
    at = end
    expect(verifyUnit(decoded, c, unit, key)).toBe(unit)
    expect(() => verifyUnit(decoded, c, unit.map((byte, i) => (i === 5 ? byte ^ 1 : byte)), key)).toThrow(`cluster ${c} fails its checksum`)
  })
  expect(decodeRows(encodeRows(head.rowOfSlot), decoded.head, key)).toEqual(head.rowOfSlot)
})

test('heads, rows and cards that were cut, changed or never were any give a typed error, or what could have been written', () => {
  const { head } = built('euclidean', 300, 5, 4)
  const stored = { head, cardEnds: new Uint32Array(head.clusters + 1), hasEntryCards: true, checksums: new Uint32Array(head.clusters) }
  const end = unitRange(stored, head.clusters - 1).end
  const cards = encodeCards([card(3, 'a'), card(5, 'long key')])
  const whole = [
    { bytes: encodeHead(stored), read: (bytes: Uint8Array) => void decodeHead(bytes, end, key) },
    { bytes: encodeRows(head.rowOfSlot), read: (bytes: Uint8Array) => void decodeRows(bytes, head, key) },
    { bytes: cards, read: (bytes: Uint8Array) => void [0, 1].forEach((place) => new CardBlock(bytes, 2, key).at(place)) },
  ]
  const change = fc.record({ which: fc.nat(2), at: fc.nat(), bit: fc.nat(7), cut: fc.option(fc.nat()), foreign: fc.option(fc.uint8Array({ maxLength: 200 })) })
  fc.assert(
    fc.property(change, ({ which, at, bit, cut, foreign }) => {
      const { bytes, read } = whole[which]!
      const changed = foreign ?? bytes.slice(0, cut === null ? bytes.length : cut % bytes.length)
      if (!foreign && cut === null) changed[at % changed.length]! ^= 1 << bit
      try {
        read(changed)
        expect(changed.length).toBe(bytes.length)
      } catch (error) {
        if (!isWindlassError(error, 'corrupt', 'unsupported')) throw error
        expect(error.message).toContain(key)
      }
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 1000) },
  )
})

function card(row: number, name: string): CardFacts {
  return {
    row,
    keyBytes: toUtf8(name),
    changed: { seq: 2 ** 40 + row, ordinal: row },
    vectorChecksum: 0xdeadbeef,
    metadata: { start: 4_000_000_000, size: 7, checksum: 1 },
    document: row === 3 ? null : { start: 1, size: 0, checksum: 2 },
  }
}

test('cards come back as they were', () => {
  const facts = [card(3, 'a'), card(0xfffffff0, 'Zürich'), card(5, '')]
  const block = new CardBlock(encodeCards(facts), 3, key)
  facts.forEach(({ keyBytes, ...fact }, place) => {
    expect(block.at(place)).toEqual({ ...fact, key: new TextDecoder().decode(keyBytes) })
    expect(block.rowAt(place)).toBe(fact.row)
  })
})
