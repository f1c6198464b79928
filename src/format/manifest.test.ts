import { deepStrictEqual } from 'node:assert'
import { describe, expect, test } from 'vitest'
import { sealEnvelope } from './envelope.ts'
import { decodeManifest, encodeManifest, pastManifestKey, type Manifest, type SegmentRef } from './manifest.ts'

const key = 'data/c1/manifest'
const segment: SegmentRef = {
  id: 's1',
  size: 1000,
  rowCount: 10,
  recordCount: 8,
  documentRowCount: 2,
  seqStart: 3,
  seqEnd: 9,
  sections: [
    { name: 'rows', offset: 64, size: 400, checksum: 0xffffffff },
    { name: 'keys', offset: 512, size: 0, checksum: 0 },
  ],
  deletes: { id: 'd1', count: 3, recordCount: 2 },
}
const manifest: Manifest = {
  formatVersion: 1,
  needs: [],
  collectionId: 'c1',
  version: 2,
  nonce: '0'.repeat(32),
  pastNonces: ['1'.repeat(32)],
  name: 'notes/é "x"',
  schema: {
    dimension: 3,
    metric: 'cosine',
    embeddingModel: null,
    textFields: [{ field: 'document', analyzer: 'english-1' }],
    nonFilterableKeys: ['body'],
    custom: { s3vectors: { tags: ['a', null, 1.5, true] } },
  },
  state: 'live',
  floor: 9,
  floorTime: 1,
  segments: [
    segment,
    { ...segment, id: 's2', deletes: { id: 'd2', count: 1, recordCount: 1, owner: 'c0' }, owner: 'c0' },
  ],
  pins: [{ name: 'monday', id: 'p1', seq: 5, kind: 'snapshot', createdAt: 2 }],
  sweep: { count: 1, id: 'w1' },
}

/** An object as a faulty or newer writer would leave it: any head, with checksums that fit. */
function seal(head: unknown, formatVersion = 1): Uint8Array {
  const json = new TextEncoder().encode(typeof head === 'string' ? head : JSON.stringify(head))
  const bytes = new Uint8Array(24 + json.length)
  bytes.set(json, 24)
  sealEnvelope({ magic: 'WMAN', subject: 'manifest', formatVersion }, bytes)
  return bytes
}

test('a manifest comes back as it was', () => {
  for (const state of ['live', 'dropped', { movedTo: 'c2' }] as const) {
    const each = { ...manifest, state, sweep: { count: 0, id: null } }
    deepStrictEqual(decodeManifest(encodeManifest(each), key), each)
  }
})

test('a manifest is laid out as docs/format.md draws', () => {
  const bytes = encodeManifest(manifest)
  const view = new DataView(bytes.buffer)
  expect(String.fromCharCode(...bytes.subarray(0, 4))).toBe('WMAN')
  expect(view.getUint16(4, true)).toBe(1)
  expect(view.getUint32(8, true)).toBe(bytes.length - 24)
  expect(view.getUint32(12, true)).toBe(0)
  expect(JSON.parse(new TextDecoder().decode(bytes.subarray(24)))).toEqual(manifest)
})

test('members that this version does not know survive reading and writing', () => {
  const extended = { ...manifest, hint: { a: 1 }, segments: [{ ...segment, zone: [1, 2] }] }
  const rewritten = encodeManifest({ ...decodeManifest(seal(extended), key), version: 3 })
  deepStrictEqual(decodeManifest(rewritten, key), { ...extended, version: 3 })
})

describe('a newer writer', () => {
  test.each([
    ['format version 2 outside', seal('anything', 2), 'format version 2, this one reads up to 1'],
    ['format version 2 inside', seal({ ...manifest, formatVersion: 2 }), 'format version 2, this one reads up to 1'],
    ['a need', seal({ ...manifest, needs: ['codes', 'x'] }), 'needs "codes", "x"'],
  ])('is told from damage by %s', (_, bytes, what) => {
    expect(() => decodeManifest(bytes, key)).toThrow(
      expect.objectContaining({
        kind: 'unsupported',
        details: { key },
        message: `${key}: manifest was written by a newer windlass (${what}): upgrade`,
      }),
    )
  })
})

const broken: [string, unknown][] = [
  ['manifest', []],
  ['formatVersion', { ...manifest, formatVersion: '1' }],
  ['needs', { ...manifest, needs: {} }],
  ['needs[0]', { ...manifest, needs: [1] }],
  ['collectionId', { ...manifest, collectionId: '../c2' }],
  ['version', { ...manifest, version: 0 }],
  ['version', { ...manifest, version: 1.5 }],
  ['nonce', { ...manifest, nonce: '0' }],
  ['pastNonces[0]', { ...manifest, pastNonces: [1] }],
  ['pastNonces.length', { ...manifest, pastNonces: Array.from({ length: 65 }, () => '0'.repeat(32)) }],
  ['name', { ...manifest, name: null }],
  ['schema', { ...manifest, schema: null }],
  ['schema.dimension', { ...manifest, schema: { ...manifest.schema, dimension: 0 } }],
  ['schema.metric', { ...manifest, schema: { ...manifest.schema, metric: 'manhattan' } }],
  ['schema.embeddingModel', { ...manifest, schema: { ...manifest.schema, embeddingModel: undefined } }],
  ['schema.textFields[0].analyzer', { ...manifest, schema: { ...manifest.schema, textFields: [{ field: 'a' }] } }],
  ['schema.nonFilterableKeys[0]', { ...manifest, schema: { ...manifest.schema, nonFilterableKeys: [1] } }],
  ['schema.custom', { ...manifest, schema: { ...manifest.schema, custom: 1 } }],
  ['state', { ...manifest, state: 'gone' }],
  ['state.movedTo', { ...manifest, state: { movedTo: 'a/b' } }],
  ['floor', { ...manifest, floor: -1 }],
  ['floorTime', { ...manifest, floorTime: 'now' }],
  ['segments', { ...manifest, segments: null }],
  ['segments[0].id', { ...manifest, segments: [{ ...segment, id: 'a/b' }] }],
  ['segments[1].id', { ...manifest, segments: [segment, segment] }],
  ['segments[0].size', { ...manifest, segments: [{ ...segment, size: -1 }] }],
  ['segments[0].recordCount', { ...manifest, segments: [{ ...segment, recordCount: 11 }] }],
  ['segments[0].documentRowCount', { ...manifest, segments: [{ ...segment, documentRowCount: 1 }] }],
  ['segments[0].seqStart', { ...manifest, segments: [{ ...segment, seqStart: 0 }] }],
  ['segments[0].seqEnd', { ...manifest, segments: [{ ...segment, seqEnd: 2 }] }],
  ['segments[0].seqEnd', { ...manifest, floor: 8 }],
  ['segments[0].sections', { ...manifest, segments: [{ ...segment, sections: 1 }] }],
  [
    'segments[0].sections[1].name',
    {
      ...manifest,
      segments: [{ ...segment, sections: [segment.sections[0], { ...segment.sections[1], name: 'rows' }] }],
    },
  ],
  [
    'segments[0].sections[1].offset',
    {
      ...manifest,
      segments: [{ ...segment, sections: [segment.sections[0], { ...segment.sections[1], offset: 463 }] }],
    },
  ],
  [
    'segments[0].sections[0].size',
    { ...manifest, segments: [{ ...segment, sections: [{ ...segment.sections[0], size: 937 }] }] },
  ],
  [
    'segments[0].sections[0].checksum',
    { ...manifest, segments: [{ ...segment, sections: [{ ...segment.sections[0], checksum: 2 ** 32 }] }] },
  ],
  ['segments[0].deletes', { ...manifest, segments: [{ ...segment, deletes: undefined }] }],
  [
    'segments[0].deletes.count',
    { ...manifest, segments: [{ ...segment, deletes: { id: 'd', count: 11, recordCount: 0 } }] },
  ],
  [
    'segments[0].deletes.recordCount',
    { ...manifest, segments: [{ ...segment, deletes: { id: 'd', count: 1, recordCount: 2 } }] },
  ],
  ['segments[0].owner', { ...manifest, segments: [{ ...segment, owner: '' }] }],
  [
    'segments[0].deletes.owner',
    { ...manifest, segments: [{ ...segment, deletes: { ...segment.deletes, owner: 'a/b' } }] },
  ],
  ['pins[0].kind', { ...manifest, pins: [{ ...manifest.pins[0], kind: 'tag' }] }],
  ['pins[0].seq', { ...manifest, pins: [{ ...manifest.pins[0], seq: null }] }],
  ['pins[0].id', { ...manifest, pins: [{ ...manifest.pins[0], id: 1 }] }],
  ['sweep', { ...manifest, sweep: undefined }],
  ['sweep.count', { ...manifest, sweep: { count: null, id: null } }],
  ['sweep.id', { ...manifest, sweep: { count: 0 } }],
]

describe('a manifest with a wrong member', () => {
  test.each(broken)('%s is corrupt when read, and never written (case %#)', (path, head) => {
    expect(() => decodeManifest(seal(head), key)).toThrow(
      expect.objectContaining({
        kind: 'corrupt',
        details: { key, path },
        message: expect.stringContaining(` at ${path}, expected `),
      }),
    )
    expect(() => encodeManifest(head as Manifest)).toThrow(
      expect.objectContaining({ kind: 'invalid', details: expect.objectContaining({ path }) }),
    )
  })

  test('or that is no JSON is corrupt', () => {
    for (const head of ['', '{', '{"a":1}}'])
      expect(() => decodeManifest(seal(head), key)).toThrow(expect.objectContaining({ kind: 'corrupt' }))
  })
})

test('keys of past manifests sort by version', () => {
  expect(pastManifestKey(12)).toBe('manifests/00000000000000000012')
})
