import fc from 'fast-check'
import { expect, test } from 'vitest'
import { record } from '../testing/arbitraries.ts'
import { ContentSummer, type SummedRow } from './content-sum.ts'

const stamp = record({ seq: fc.integer({ min: 1, max: 1e9 }), ordinal: fc.nat(1e6) })
const row: fc.Arbitrary<SummedRow> = record({
  space: fc.constantFrom('records' as const, 'documents' as const),
  key: fc.uint8Array({ minLength: 1, maxLength: 20 }),
  born: stamp,
  changed: stamp,
  checksum: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
})

function sumOf(rows: readonly SummedRow[]): string {
  const summer = new ContentSummer()
  for (const each of rows) summer.add(each)
  return summer.toHex()
}

test('the sum does not depend on the order, nor on what came and went', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 12 }), fc.array(row, { maxLength: 5 }), (rows, gone) => {
      const summer = new ContentSummer()
      for (const each of gone) summer.add(each)
      const half = new ContentSummer(summer.toHex())
      for (const each of [...rows].reverse()) half.add(each)
      for (const each of gone) half.remove(each)
      expect(half.toHex()).toBe(sumOf(rows))
      expect(half.toHex()).toMatch(/^[0-9a-f]{64}$/)
    }),
  )
})

test('every part of a row changes the sum', () => {
  fc.assert(
    fc.property(row, row, (a, b) => {
      for (const name of ['space', 'key', 'born', 'changed', 'checksum'] as const) {
        const mixed = { ...a, [name]: b[name] }
        const isSame = String(JSON.stringify(a[name], big)) === JSON.stringify(b[name], big)
        expect(sumOf([mixed]) === sumOf([a]), name).toBe(isSame)
      }
      expect(sumOf([a, a])).not.toBe(sumOf([a]))
    }),
  )
})

function big(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
