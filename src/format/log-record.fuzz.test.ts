import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  arbitraryEffects,
  arbitraryId,
  arbitraryNonce,
  arbitrarySchema,
  arbitraryText,
  record,
} from '../testing/arbitraries.ts'
import { decodeLogRecord, encodeLogRecord, logKey, type LogEvent, type LogRecord } from './log-record.ts'

const arbitraryEvent: fc.Arbitrary<LogEvent | null> = fc.oneof(
  fc.constant(null),
  record({ kind: fc.constant('created' as const), name: arbitraryText(), schema: arbitrarySchema }),
  record({ kind: fc.constant('schema' as const), schema: arbitrarySchema }),
  record({ kind: fc.constant('renamed' as const), name: arbitraryText() }),
  fc.constant({ kind: 'dropped' as const }),
  record({ kind: fc.constant('moved' as const), to: arbitraryId }),
)

const arbitraryOutcomes = fc.array(record({ code: fc.nat(), value: fc.maxSafeNat() }), { minLength: 1, maxLength: 3 })

/** Cuts the effects of a commit into batches, some of them empty. */
const arbitraryRecord: fc.Arbitrary<LogRecord> = fc
  .integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
  .chain((seq) =>
    fc.tuple(
      record({
        seq: fc.constant(seq),
        collectionId: arbitraryId,
        nonce: arbitraryNonce,
        writtenAt: fc.nat(),
        event: arbitraryEvent,
      }),
      arbitraryEffects(seq),
      fc.array(fc.tuple(fc.nat(4), fc.option(arbitraryOutcomes)), { maxLength: 4 }),
    ),
  )
  .map(([head, effects, cuts]) => {
    let start = 0
    const batches = cuts.map(([count, outcomes]) => {
      const part = effects.slice(start, (start += count))
      return outcomes ? { effects: part, outcomes } : { effects: part }
    })
    if (start < effects.length) batches.push({ effects: effects.slice(start) })
    return { ...head, batches }
  })

test('a log record comes back as it was, wherever its bytes lie in memory', () => {
  fc.assert(
    fc.property(arbitraryRecord, fc.nat(9), (commit, shift) => {
      const encoded = encodeLogRecord(commit)
      const moved = new Uint8Array(shift + encoded.length + 3).subarray(shift, shift + encoded.length)
      moved.set(encoded)
      deepStrictEqual(decodeLogRecord(moved, logKey(commit.seq), commit.seq), commit)
      expect(encodeLogRecord(commit)).toEqual(encoded)
    }),
    { numRuns: 300 },
  )
})
