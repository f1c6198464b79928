// What the files in v1/ hold. Frozen with them: a change of the format adds v2/ beside, and never touches this.
import type { CatalogEntry } from '../../src/format/catalog-entry.ts'
import type { Deletes } from '../../src/format/deletes.ts'
import type { LogRecord } from '../../src/format/log-record.ts'
import type { CollectionSchema, Manifest } from '../../src/format/manifest.ts'
import type { Row } from '../../src/format/record.ts'
import type { Snapshot } from '../../src/format/snapshot.ts'
import type { SweepPlan } from '../../src/format/sweep-plan.ts'

const collectionId = '01jd3k6m8p0000000000000001'
const segmentId = '01jd3k6m8p0000000000000002'

const schema: CollectionSchema = {
  dimension: 4,
  metric: 'cosine',
  embeddingModel: 'all-MiniLM-L6-v2',
  textFields: [{ field: 'document', analyzer: 'english-1' }],
  nonFilterableKeys: ['body'],
  custom: { s3vectors: { tags: { team: 'search' } }, list: [1, 2.5, null, true, 'é'] },
}

export const rows: readonly Row[] = [
  {
    space: 'records',
    key: 'notes/a.md#0',
    vector: Float32Array.of(1, -2, 0.5, 3.4028234663852886e38),
    metadata: {
      text: 'plain',
      'naïve 😀': 'ünïcode',
      float: 1,
      integer: 1n,
      least: -(2n ** 63n),
      greatest: 2n ** 63n - 1n,
      tiny: 5e-324,
      yes: true,
      no: false,
      nothing: null,
      list: ['a', 2, 3n, [null, {}]],
      object: { z: 1, a: { deep: [] } },
      ['__proto__']: 'own',
      '': 'empty key',
    },
    document: 'The first row, with a text.',
    born: { seq: 1, ordinal: 0 },
    changed: { seq: 3, ordinal: 1 },
  },
  {
    space: 'records',
    key: 'é/😀',
    vector: null,
    metadata: {},
    document: '',
    born: { seq: 1, ordinal: 1 },
    changed: { seq: 1, ordinal: 1 },
  },
  {
    space: 'documents',
    key: 'notes/a.md',
    vector: null,
    metadata: { chunks: 1n },
    document: null,
    born: { seq: 2, ordinal: 0 },
    changed: { seq: 2, ordinal: 0 },
  },
  {
    space: 'records',
    key: 'notes/a.md',
    vector: new Float32Array(4),
    metadata: { zero: 0 },
    document: null,
    born: { seq: 2 ** 40, ordinal: 70_000 },
    changed: { seq: 2 ** 53 - 1, ordinal: 2 ** 32 - 1 },
  },
]

export const segment = {
  id: segmentId,
  dimension: 4,
  extraSections: [
    { name: 'columns', bytes: Uint8Array.of(1, 2, 3) },
    { name: 'text.document', bytes: new Uint8Array(0) },
  ],
}

export const deletes: Deletes = { segmentId, rowCount: 4, count: 2, bitmap: Uint8Array.of(0b1010) }

/** The manifest but for where the segment's sections lie, which the segment itself tells. */
export const manifest: Omit<Manifest, 'segments'> = {
  formatVersion: 1,
  needs: [],
  collectionId,
  version: 3,
  nonce: '00112233445566778899aabbccddeeff',
  pastNonces: ['ffffffffffffffffffffffffffffffff', '00000000000000000000000000000000'],
  name: 'team/notes & "more" 😀',
  schema,
  state: { movedTo: '01jd3k6m8p0000000000000003' },
  floor: 9007199254740991,
  floorTime: 1732172400000,
  pins: [
    { name: 'monday', id: '01jd3k6m8p0000000000000004', seq: 2, kind: 'snapshot', createdAt: 1732172400001 },
    { name: 'try', id: '01jd3k6m8p0000000000000005', seq: 3, kind: 'branch', createdAt: 1732172400002 },
  ],
  sweep: { count: 2, id: '01jd3k6m8p0000000000000006' },
}

/** Beside what a manifest had at first: members that came before the first release. */
export const laterManifest: Manifest = {
  ...manifest,
  state: 'live',
  floor: 7,
  segments: [],
  pins: [{ name: 'kept', id: '01jd3k6m8p0000000000000008', seq: 5, kind: 'snapshot', createdAt: 1732172400003, owner: '01jd3k6m8p0000000000000003' }],
  content: { floor: 7, sum: 'fedcba9876543210'.repeat(4) },
  parent: '01jd3k6m8p0000000000000003',
  restores: { from: '01jd3k6m8p0000000000000003', at: 6 },
}

export const snapshot: Snapshot = {
  formatVersion: 1,
  needs: [],
  id: '01jd3k6m8p0000000000000004',
  seq: 9,
  manifest: { ...laterManifest, pins: [], pastNonces: [] },
}

export const sweepPlan: SweepPlan = {
  formatVersion: 1,
  needs: [],
  id: '01jd3k6m8p0000000000000006',
  collectionId,
  floor: 7,
  coveredAt: 1732172400005,
  restMs: 86_400_000,
  objects: [
    { key: 'segments/01jd3k6m8p0000000000000009.seg', since: null },
    { key: 'manifests/00000000000000000001', since: 1732172400004 },
  ],
  logs: [{ first: 1, last: 5, since: null }],
  kept: [{ first: 6, last: 7 }],
  breaches: [3],
}

const head = { collectionId, nonce: '0f0e0d0c0b0a09080706050403020100', writtenAt: 1732172400000 }
const [first, second, document] = rows as [Row, Row, Row]

export const logRecords: Readonly<Record<string, LogRecord>> = {
  'log-created': {
    ...head,
    seq: 1,
    batches: [],
    event: { kind: 'created', name: manifest.name, schema: { ...schema, dimension: null } },
  },
  'log-effects': {
    ...head,
    seq: 3,
    batches: [
      {
        effects: [
          { kind: 'delete', space: 'records', key: 'é/😀' },
          { kind: 'put', ...contentOf(first), born: { seq: 1, ordinal: 0 } },
        ],
      },
      {
        effects: [
          { kind: 'put', ...contentOf(second), born: { seq: 3, ordinal: 2 } },
          { kind: 'put', ...contentOf(document), born: { seq: 2, ordinal: 0 } },
          { kind: 'delete', space: 'documents', key: 'notes/b.md' },
        ],
        outcomes: [{ code: 1, value: 300 }],
      },
      { effects: [] },
    ],
    event: { kind: 'schema', schema },
  },
  'log-renamed': { ...head, seq: 4, batches: [], event: { kind: 'renamed', name: 'new' } },
  'log-dropped': { ...head, seq: 5, batches: [], event: { kind: 'dropped' } },
  'log-moved': { ...head, seq: 2 ** 53 - 1, batches: [], event: { kind: 'moved', to: '01jd3k6m8p0000000000000003' } },
}

export const catalogEntry: CatalogEntry = {
  formatVersion: 1,
  needs: [],
  name: manifest.name,
  id: collectionId,
  version: 1,
  nonce: 'abcdefabcdefabcdefabcdefabcdefab',
  state: 'live',
  createdAt: 1732172400000,
}

function contentOf({
  space,
  key,
  vector,
  metadata,
  document,
}: Row): Pick<Row, 'space' | 'key' | 'vector' | 'metadata' | 'document'> {
  return { space, key, vector, metadata, document }
}
