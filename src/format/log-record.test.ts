import { describe, expect, test } from 'vitest'
import { sealEnvelope } from './envelope.ts'
import { decodeLogRecord, encodeLogRecord, logKey, type LogRecord, type PutEffect } from './log-record.ts'

const key = 'data/c1/log/00000000000000000007'
const put: PutEffect = {
  kind: 'put',
  space: 'records',
  key: 'a',
  vector: Float32Array.of(1, -2.5),
  metadata: { n: 1n },
  document: 'text',
  born: { seq: 7, ordinal: 0 },
}
const record: LogRecord = {
  seq: 7,
  collectionId: 'c1',
  nonce: '000102030405060708090a0b0c0d0e0f',
  writtenAt: 1.5,
  batches: [{ effects: [put, { kind: 'delete', space: 'documents', key: 'b' }] }],
  event: { kind: 'renamed', name: 'n' },
}

/** The object with a change that its checksums cover: what a faulty or newer writer would leave. */
function reseal(bytes: Uint8Array, change: (copy: Uint8Array) => void, formatVersion = 1): Uint8Array {
  const copy = bytes.slice()
  change(copy)
  sealEnvelope({ magic: 'WLOG', subject: 'log record', formatVersion }, copy)
  return copy
}

describe('encodeLogRecord', () => {
  test('writes the bytes that docs/format.md draws', () => {
    const bytes = encodeLogRecord(record)
    expect(String.fromCharCode(...bytes.subarray(0, 4))).toBe('WLOG')
    expect([...bytes.subarray(4, 8)]).toEqual([1, 0, 0, 0])
    // prettier-ignore
    expect([...bytes.subarray(24)]).toEqual([
      0, // needs
      7, // seq
      2, 0x63, 0x31, // collection id
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, // nonce
      0, 0, 0, 0, 0, 0, 0xf8, 0x3f, // written at 1.5
      3, 1, 0x6e, // event renamed, 'n'
      1, // batches
      2, // effects
      5, 1, 0x61, 2, 1, 1, 0x6e, 4, 2, 4, 0x74, 0x65, 0x78, 0x74, // put with document: key, dimension, metadata, document
      2, 1, 0x62, // delete of documents: key
      0, // outcomes
      0, 0, 0, 0, // to a multiple of 8 from the object's start
      0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0, // vector
    ])
  })

  test.each([
    ['number 0', { ...record, seq: 0 }],
    ['a nonce of another length', { ...record, nonce: 'ab' }],
    ['an id with a slash', { ...record, collectionId: 'a/b' }],
    ['a row born after its put', { ...record, batches: [{ effects: [{ ...put, born: { seq: 7, ordinal: 1 } }] }] }],
    ['an empty vector', { ...record, batches: [{ effects: [{ ...put, vector: new Float32Array(0) }] }] }],
    ['half a surrogate pair', { ...record, batches: [{ effects: [{ ...put, document: '\ud800' }] }] }],
    ['a schema without metric', { ...record, event: { kind: 'schema', schema: {} } as never }],
  ])('refuses %s', (_, broken) => {
    expect(() => encodeLogRecord(broken)).toThrow(expect.objectContaining({ kind: 'invalid' }))
  })
})

describe('decodeLogRecord', () => {
  test('shares the memory of aligned vectors and copies others', () => {
    const bytes = encodeLogRecord(record)
    const aligned = decodeLogRecord(bytes, key).batches[0]!.effects[0] as PutEffect
    expect(aligned.vector!.buffer).toBe(bytes.buffer)
    const odd = new Uint8Array(bytes.length + 1).subarray(1)
    odd.set(bytes)
    const copied = decodeLogRecord(odd, key).batches[0]!.effects[0] as PutEffect
    expect(copied.vector!.buffer).not.toBe(odd.buffer)
    expect(copied.vector).toEqual(put.vector)
  })

  test('refuses a record at the place of another', () => {
    const bytes = encodeLogRecord(record)
    expect(decodeLogRecord(bytes, key, 7).seq).toBe(7)
    expect(() => decodeLogRecord(bytes, key, 8)).toThrow(
      expect.objectContaining({ kind: 'corrupt', message: expect.stringContaining('its number is 7, expected 8') }),
    )
  })

  test('tells a newer version and a needed feature from damage', () => {
    const bytes = encodeLogRecord(record)
    expect(() =>
      decodeLogRecord(
        reseal(bytes, () => {}, 2),
        key,
      ),
    ).toThrow(
      expect.objectContaining({
        kind: 'unsupported',
        message: `${key}: log record was written by a newer windlass (format version 2, this one reads up to 1): upgrade`,
      }),
    )
    // One need of one letter in place of the empty list; what follows does not matter.
    const needy = reseal(bytes, (copy) => copy.set([1, 1, 0x78], 24))
    expect(() => decodeLogRecord(needy, key)).toThrow(
      expect.objectContaining({
        kind: 'unsupported',
        message: `${key}: log record was written by a newer windlass (needs "x"): upgrade`,
      }),
    )
  })

  // Offsets as drawn above; 24 + 35 is the byte before the first effect.
  test.each([
    ['number 0', 25, [0]],
    ['an unknown event', 53, [9]],
    ['more batches than bytes', 56, [0xff, 0xff, 0xff, 0x7f]],
    ['more effects than bytes', 57, [0xff, 0xff, 0xff, 0x7f]],
    ['unknown bits before an effect', 58, [0x15]],
    ['a put that turns into a delete with a document', 58, [4]],
    ['a delete with a document', 72, [6]],
    ['a delete that was born earlier', 72, [10]],
    ['a longer vector', 61, [3]],
    ['a shorter vector', 61, [1]],
    ['a vast vector', 61, [0xff, 0xff, 0xff, 0x7f]],
    ['padding that is not zero', 78, [1]],
  ])('refuses %s even where the checksums fit', (_, offset, change) => {
    const bytes = reseal(encodeLogRecord(record), (copy) => copy.set(change, offset))
    expect(() => decodeLogRecord(bytes, key)).toThrow(
      expect.objectContaining({ kind: 'corrupt', details: expect.objectContaining({ key }) }),
    )
  })

  test('refuses format version 0', () => {
    const bytes = reseal(encodeLogRecord(record), () => {}, 0)
    expect(() => decodeLogRecord(bytes, key)).toThrow(expect.objectContaining({ kind: 'corrupt' }))
  })

  test('refuses a row born after its put, even where the checksums fit', () => {
    const earlier = { ...record, batches: [{ effects: [{ ...put, vector: null, born: { seq: 6, ordinal: 5 } }] }] }
    const bytes = encodeLogRecord(earlier)
    const at = 24 + 35 + 13
    expect([...bytes.subarray(at, at + 2)]).toEqual([6, 5])
    expect(() =>
      decodeLogRecord(
        reseal(bytes, (copy) => copy.set([7, 0], at)),
        key,
      ),
    ).toThrow(expect.objectContaining({ kind: 'corrupt' }))
  })
})

test('log keys sort as their numbers do', () => {
  expect(logKey(1)).toBe('log/00000000000000000001')
  expect([logKey(10), logKey(9), logKey(Number.MAX_SAFE_INTEGER)].sort()).toEqual([
    logKey(9),
    logKey(10),
    logKey(Number.MAX_SAFE_INTEGER),
  ])
})
