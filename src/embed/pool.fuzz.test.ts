import fc from 'fast-check'
import { expect, test } from 'vitest'
import { batchByLength, poolTokens } from './pool.ts'

test('a pooled text is the mean of its own tokens at length 1, whatever lies in the padding', () => {
  const scene = fc.record({ counts: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 }), dimension: fc.integer({ min: 1, max: 6 }), seed: fc.integer() })
  fc.assert(
    fc.property(scene, ({ counts, dimension, seed }) => {
      let state = seed | 1
      const next = () => ((state = Math.imul(state, 1103515245) + 12345) >> 8) / 2 ** 23
      const tokens = Math.max(...counts)
      const hidden = Float32Array.from({ length: counts.length * tokens * dimension }, next)
      const mask = BigInt64Array.from(counts.flatMap((count) => Array.from({ length: tokens }, (_, i) => (i < count ? 1n : 0n))))
      const pooled = poolTokens(hidden, mask, { texts: counts.length, tokens, dimension }, 'mean')
      for (const [text, count] of counts.entries()) {
        const mean = Array.from({ length: dimension }, (_, d) => Array.from({ length: count }, (__, token) => hidden[(text * tokens + token) * dimension + d]!).reduce((a, b) => a + b) / count)
        const length = Math.hypot(...mean)
        for (let d = 0; d < dimension; d++) expect(pooled[text * dimension + d]).toBeCloseTo(length === 0 ? 0 : mean[d]! / length, 4)
      }
    }),
  )
})

test('pooling by [CLS] takes the first token alone, at length 1', () => {
  const hidden = Float32Array.of(3, 4, 100, 100, 0, -2, 7, 7)
  expect([...poolTokens(hidden, [1, 1, 1, 1], { texts: 2, tokens: 2, dimension: 2 }, 'cls')].map((value) => Math.round(value * 1000) / 1000)).toEqual([0.6, 0.8, 0, -1])
  expect([...poolTokens(hidden, [0, 0, 1, 1], { texts: 2, tokens: 2, dimension: 2 }, 'mean')].slice(0, 2)).toEqual([0, 0])
})

test('batches hold every text once, within bounds, and of falling length', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 60 })), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 100 }), (lengths, textsMax, charactersMax) => {
      const texts = lengths.map((length) => 'x'.repeat(length))
      const batches = batchByLength(texts, { textsMax, charactersMax })
      expect(batches.flat().sort((a, b) => a - b)).toEqual(texts.map((_, i) => i))
      for (const batch of batches) {
        expect(batch.length).toBeLessThanOrEqual(textsMax)
        // A single text may be longer than the bound: it is cut later, by its tokens.
        if (batch.length > 1) expect(batch.length * Math.max(1, ...batch.map((i) => texts[i]!.length))).toBeLessThanOrEqual(charactersMax)
      }
      const order = batches.flat().map((i) => texts[i]!.length)
      expect(order).toEqual([...order].sort((a, b) => b - a))
    }),
  )
})
