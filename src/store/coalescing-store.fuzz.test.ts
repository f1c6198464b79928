import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareBytes } from '../base/bytes.ts'
import { CoalescingStore } from './coalescing-store.ts'
import { CountingStore } from './counting-store.ts'
import { MemoryStore } from './memory-store.ts'

const object = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7) & 255)
const someRange = fc.tuple(fc.nat(6000), fc.nat(6000)).map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }))

test('reads through it equal reads past it, however many at once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(someRange, { nil: undefined }), { maxLength: 12 }), async (ranges) => {
      const memory = new MemoryStore()
      await memory.put('key', object)
      const counting = new CountingStore(memory)
      const store = new CoalescingStore(counting)
      const answers = await Promise.all(ranges.map((range) => store.get('key', range ? { range } : {})))
      for (const [i, range] of ranges.entries()) {
        const [through, past] = [answers[i]!, await memory.get('key', range ? { range } : {})]
        if (through.kind !== 'found' || past.kind !== 'found') throw new Error(`${through.kind} and ${past.kind}`)
        expect([through.etag, through.size, compareBytes(through.bytes, past.bytes)]).toEqual([past.etag, past.size, 0])
      }
      // All gaps are small: one request for the ranges, one for the whole.
      expect(counting.counts().requests.get ?? 0).toBeLessThanOrEqual(2)
      // Nobody shares bytes.
      expect(new Set(answers.map((answer) => (answer.kind === 'found' ? answer.bytes.buffer : answer))).size).toBe(answers.length)
    }),
  )
})
