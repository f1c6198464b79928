// Whatever happens to an object on its way, reading it ends in a typed error: never a wrong value, a hang or a foreign error.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isWindlassError } from '../base/errors.ts'
import {
  arbitraryEffects,
  arbitraryNonce,
  arbitraryRows,
  arbitrarySchema,
  arbitraryText,
} from '../testing/arbitraries.ts'
import { catalogKey, decodeCatalogEntry, encodeCatalogEntry } from './catalog-entry.ts'
import { decodeDeletes, encodeDeletes } from './deletes.ts'
import { sealEnvelope } from './envelope.ts'
import { decodeLogRecord, encodeLogRecord } from './log-record.ts'
import { decodeManifest, encodeManifest, type Manifest } from './manifest.ts'
import { decodeSegment, encodeSegment } from './segment.ts'
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts'
import { decodeSweepPlan, encodeSweepPlan } from './sweep-plan.ts'

interface Kind {
  readonly name: string
  readonly magic?: string
  readonly samples: fc.Arbitrary<Uint8Array>
  decode(bytes: Uint8Array): unknown
}

const arbitraryManifest = fc.tuple(arbitraryNonce, arbitraryText(), arbitrarySchema).map(
  ([nonce, name, schema]): Manifest => ({
    formatVersion: 1,
    needs: [],
    collectionId: 'c1',
    version: 3,
    nonce,
    pastNonces: [nonce],
    name,
    schema,
    state: 'live',
    floor: 5,
    floorTime: 1,
    segments: [
      {
        id: 's1',
        size: 9,
        rowCount: 3,
        recordCount: 2,
        documentRowCount: 1,
        seqStart: 1,
        seqEnd: 5,
        sections: [],
        deletes: null,
      },
    ],
    pins: [{ name, id: 'p1', seq: 4, kind: 'snapshot', createdAt: 1, owner: 'c0' }],
    sweep: { count: 0, id: null },
    content: { floor: 5, sum: nonce + nonce },
    parent: 'c0',
    restores: { from: 'c0', at: 7 },
  }),
)

const catalogName = 'notes'
const kinds: Kind[] = [
  {
    name: 'log record',
    magic: 'WLOG',
    samples: fc
      .tuple(arbitraryNonce, arbitraryEffects(9), arbitrarySchema)
      .map(([nonce, effects, schema]) =>
        encodeLogRecord({
          seq: 9,
          collectionId: 'c1',
          nonce,
          writtenAt: 1,
          batches: [{ effects }],
          event: { kind: 'schema', schema },
        }),
      ),
    decode: (bytes) => decodeLogRecord(bytes, 'x'),
  },
  {
    name: 'manifest',
    magic: 'WMAN',
    samples: arbitraryManifest.map((manifest) => encodeManifest(manifest)),
    decode: (bytes) => decodeManifest(bytes, 'x'),
  },
  {
    name: 'segment',
    samples: arbitraryRows(2, 4).map(
      (rows) =>
        encodeSegment({ id: 's1', rows, dimension: 2, extraSections: [{ name: 'columns', bytes: Uint8Array.of(1) }] })
          .bytes,
    ),
    decode: (bytes) => decodeSegment(bytes, 'x'),
  },
  {
    name: 'deletion bitmap',
    magic: 'WDEL',
    samples: fc
      .nat(255)
      .map((byte) =>
        encodeDeletes({
          segmentId: 's1',
          rowCount: 16,
          count: byte.toString(2).replaceAll('0', '').length,
          bitmap: Uint8Array.of(byte, 0),
        }),
      ),
    decode: (bytes) => decodeDeletes(bytes, 'x', { id: 's1', rowCount: 16 }),
  },
  {
    name: 'snapshot',
    magic: 'WSNP',
    samples: arbitraryManifest.map((manifest) => encodeSnapshot({ formatVersion: 1, needs: [], id: 's1', seq: 8, manifest })),
    decode: (bytes) => decodeSnapshot(bytes, 'x'),
  },
  {
    name: 'sweep plan',
    magic: 'WSWP',
    samples: fc.tuple(fc.array(arbitraryText()), fc.option(fc.nat())).map(([keys, since]) =>
      encodeSweepPlan({
        formatVersion: 1,
        needs: [],
        id: 'p1',
        collectionId: 'c1',
        floor: 9,
        coveredAt: 1,
        restMs: 3_600_000,
        objects: keys.map((key) => ({ key, since })),
        logs: [{ first: 1, last: 9, since }],
        kept: [{ first: 2, last: 3 }],
        breaches: [4],
      }),
    ),
    decode: (bytes) => decodeSweepPlan(bytes, 'x'),
  },
  {
    name: 'catalog entry',
    samples: arbitraryNonce.map((nonce) =>
      encodeCatalogEntry({
        formatVersion: 1,
        needs: [],
        name: catalogName,
        id: 'c1',
        version: 1,
        nonce,
        state: 'live',
        createdAt: 1,
      }),
    ),
    // No bytes are a value of their own here.
    decode: (bytes) => decodeCatalogEntry(bytes.length === 0 ? Uint8Array.of(0) : bytes, catalogKey(catalogName)),
  },
]

function expectRefused(kind: Kind, bytes: Uint8Array): void {
  try {
    kind.decode(bytes)
  } catch (error) {
    if (!isWindlassError(error, 'corrupt', 'unsupported')) throw error
    return
  }
  expect.fail(`a damaged ${kind.name} of ${bytes.length} bytes was read`)
}

describe.each(kinds)('a $name', (kind) => {
  test('that is whole is read', () => {
    fc.assert(
      fc.property(kind.samples, (bytes) => void kind.decode(bytes)),
      { numRuns: 50 },
    )
  })

  test('with any one bit flipped is refused', () => {
    fc.assert(
      fc.property(kind.samples, fc.nat(), fc.nat(7), (bytes, position, bit) => {
        const damaged = bytes.slice()
        damaged[position % bytes.length]! ^= 1 << bit
        expectRefused(kind, damaged)
      }),
      { numRuns: 500 },
    )
  })

  test('with every bit of one sample flipped in turn is refused', () => {
    const [bytes] = fc.sample(kind.samples, { numRuns: 1, seed: 7 })
    for (let position = 0; position < bytes!.length; position++) {
      const damaged = bytes!.slice()
      damaged[position]! ^= 1 << (position % 8)
      expectRefused(kind, damaged)
    }
  })

  test('that is truncated, extended, shifted or doubled is refused', () => {
    fc.assert(
      fc.property(
        kind.samples,
        fc.nat(),
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        (bytes, position, foreign) => {
          const at = position % bytes.length
          expectRefused(kind, bytes.subarray(0, at))
          if (at > 0) expectRefused(kind, bytes.subarray(at))
          expectRefused(kind, Uint8Array.of(...bytes, ...foreign))
          expectRefused(kind, Uint8Array.of(...foreign, ...bytes))
          expectRefused(kind, Uint8Array.of(...bytes, ...bytes))
        },
      ),
      { numRuns: 200 },
    )
  })

  test('of foreign bytes is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => expectRefused(kind, bytes)),
      { numRuns: 500 },
    )
  })

  test('of another kind is refused', () => {
    for (const other of kinds.filter(({ name }) => name !== kind.name)) {
      const [bytes] = fc.sample(other.samples, { numRuns: 1, seed: 7 })
      expectRefused(kind, bytes!)
    }
  })

  const { magic } = kind
  if (!magic) return
  // Past the checksums: the body's own checks. A changed value may be a valid one; anything else must be typed.
  test('with foreign bytes under checksums that fit is read or refused, never more', () => {
    fc.assert(
      fc.property(kind.samples, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 12 }), (bytes, position, change) => {
        const damaged = bytes.slice()
        const at = 24 + (position % (bytes.length - 24))
        damaged.set(change.subarray(0, bytes.length - at), at)
        sealEnvelope({ magic, subject: kind.name, formatVersion: 1 }, damaged)
        try {
          kind.decode(damaged)
        } catch (error) {
          if (!isWindlassError(error, 'corrupt', 'unsupported')) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })
})
