import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bitset } from './bitset.ts'

const scene = fc.integer({ min: 0, max: 200 }).chain((length) =>
  fc.record({
    length: fc.constant(length),
    a: fc.uniqueArray(fc.nat(Math.max(0, length - 1)), { maxLength: length }),
    b: fc.uniqueArray(fc.nat(Math.max(0, length - 1)), { maxLength: length }),
  }),
)

function membersOf(set: Bitset): number[] {
  const members: number[] = []
  set.forEach((index) => members.push(index))
  return members
}

const from = (length: number, members: number[]) => members.reduce((set, member) => set.set(member), new Bitset(length))
const sorted = (members: Iterable<number>) => [...members].sort((x, y) => x - y)

test('a bitset behaves like a Set of numbers', () => {
  fc.assert(
    fc.property(scene, ({ length, a, b }) => {
      const [inA, inB] = [new Set(a), new Set(b)]
      const set = from(length, a)
      expect(membersOf(set)).toEqual(sorted(inA))
      expect(set.count()).toBe(inA.size)
      expect(set.isEmpty()).toBe(inA.size === 0)
      for (let i = -1; i <= length + 1; i++) expect(set.has(i)).toBe(inA.has(i))
      expect(membersOf(set.clone().and(from(length, b)))).toEqual(sorted(a.filter((x) => inB.has(x))))
      expect(membersOf(set.clone().or(from(length, b)))).toEqual(sorted(new Set([...a, ...b])))
      expect(membersOf(set.clone().andNot(from(length, b)))).toEqual(sorted(a.filter((x) => !inB.has(x))))
      expect(set.clone().not().count()).toBe(length - inA.size)
      expect(set.clone().not().has(length)).toBe(false)
      expect(Bitset.full(length).count()).toBe(length)
      expect(membersOf(Bitset.fromBytes(set.toBytes(), length))).toEqual(sorted(inA))
      for (const member of b) set.clear(member)
      expect(membersOf(set)).toEqual(sorted(a.filter((x) => !inB.has(x))))
    }),
  )
})

test('bits past the length of foreign bytes are dropped', () => {
  expect(Bitset.fromBytes(Uint8Array.of(0xff, 0xff), 10).count()).toBe(10)
})
