import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../base/random.ts'
import { FourierGrid } from './fourier.ts'
import { Repulsion } from './repulsion.ts'

test('a transform there and back gives a grid times its side squared', () =>
  fc.assert(
    fc.property(fc.constantFrom(2, 4, 8, 32, 64), fc.integer(), (side, seed) => {
      const random = seededRandom(seed)
      const [re, im] = [0, 1].map(() => Float32Array.from({ length: side * side }, () => random.next() - 0.5)) as [Float32Array, Float32Array]
      const [before, beforeIm] = [re.slice(), im.slice()]
      const grid = new FourierGrid(side)
      grid.forward(re, im)
      grid.backward(re, im)
      re.forEach((value, i) => expect(value / side ** 2).toBeCloseTo(before[i]!, 5))
      im.forEach((value, i) => expect(value / side ** 2).toBeCloseTo(beforeIm[i]!, 5))
    }),
    { numRuns: 12 },
  ))

test('one frequency is one place of the transform, transposed', () => {
  const side = 16
  const re = Float32Array.from({ length: side * side }, (_, i) => Math.cos((2 * Math.PI * (3 * (i % side))) / side))
  const im = new Float32Array(side * side)
  new FourierGrid(side).forward(re, im)
  const large = [...re.keys()].filter((i) => Math.abs(re[i]!) > 1)
  expect(large).toEqual([3 * side, 13 * side])
  expect(re[3 * side]).toBeCloseTo((side * side) / 2, 3)
})

test('forces on the grid are those of all pairs, within a few per cent', () =>
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(1, 10, 60), fc.integer({ min: 2, max: 120 }), (seed, extent, count) => {
      const random = seededRandom(seed)
      const positions = Float32Array.from({ length: count * 2 }, () => (random.next() - 0.5) * extent + 7)
      const forces = new Float32Array(count * 2)
      const total = new Repulsion().applyGrid(positions, forces)
      const exact = new Float32Array(count * 2)
      const exactTotal = new Repulsion().apply(positions, exact)
      // A pair alone, far apart, is near nothing on the grid: its error is bounded by what one point at the same place would be.
      expect(Math.abs(total - exactTotal)).toBeLessThan(exactTotal * 0.08 + count * 0.05)
      const size = Math.sqrt(exact.reduce((sum, value) => sum + value * value, 0))
      const error = Math.sqrt(exact.reduce((sum, value, i) => sum + (value - forces[i]!) ** 2, 0))
      expect(error).toBeLessThan(size * 0.2 + 1e-3)
    }),
    { numRuns: 25 },
  ))

test('forces of pairs are those of the formula, and sum to nothing', () => {
  const forces = new Float32Array(6)
  const total = new Repulsion().apply(Float32Array.of(0, 0, 1, 0, 0, 2), forces)
  expect(total).toBeCloseTo(2 * (1 / 2 + 1 / 5 + 1 / 6), 6)
  ;[-1 / 4, -2 / 25, 1 / 4 + 1 / 36, -2 / 36, -1 / 36, 2 / 25 + 2 / 36].forEach((force, i) => expect(forces[i]).toBeCloseTo(force, 6))
})
