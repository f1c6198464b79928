import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isWindlassError } from '../../base/errors.ts'
import { decodeMap, encodeMap, mapKey, quantizePositions, type MapObject } from './map-object.ts'
import { changedShare, MapSample } from './map-sample.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const bytes = (count: number) => fc.uint8Array({ minLength: count, maxLength: count }).map((codes) => Uint8Array.from(codes))
const map: fc.Arbitrary<MapObject> = fc.integer({ min: 0, max: 20 }).chain((count) =>
  fc.record({
    collectionId: text,
    logSequence: fc.nat(),
    recordCount: fc.nat(),
    vectorlessCount: fc.nat(),
    madeAt: fc.nat(),
    method: text,
    keys: fc.array(text, { minLength: count, maxLength: count }),
    versions: fc.array(text, { minLength: count, maxLength: count }),
    positions: fc.array(fc.nat({ max: 65_535 }), { minLength: count * 2, maxLength: count * 2 }).map((values) => Uint16Array.from(values)),
    fields: fc.array(
      fc.oneof(
        fc.record({ name: text, kind: fc.constant('text' as const), values: fc.array(fc.record({ value: text, count: fc.nat() }), { maxLength: 4 }), codes: bytes(count) }),
        fc.record({ name: text, kind: fc.constant('number' as const), least: fc.double({ noNaN: true }), most: fc.double({ noNaN: true }), codes: bytes(count) }),
      ),
      { maxLength: 3 },
    ),
  }),
)

test('a map that was written is read as it was', () =>
  fc.assert(
    fc.property(map, (value) => {
      expect(decodeMap(encodeMap(value), mapKey('x'))).toEqual(value)
    }),
  ))

test('one that was cut or changed is corrupt, whatever was done to it', () =>
  fc.assert(
    fc.property(map, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (value, at, change, isCut) => {
      const whole = encodeMap(value).slice()
      const place = at % whole.length
      whole[place]! ^= change
      expect(() => decodeMap(isCut ? whole.slice(0, place) : whole, 'maps/x')).toThrow(expect.toSatisfy((error: unknown) => isWindlassError(error, 'corrupt', 'unsupported')))
    }),
  ))

test('positions keep their shape: one scale for both, from edge to edge', () =>
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.float({ min: -100, max: 100, noNaN: true }), fc.float({ min: -100, max: 100, noNaN: true })), { minLength: 2, maxLength: 20 }), (points) => {
      const positions = Float32Array.from(points.flat())
      const quantized = quantizePositions(positions)
      const extent = (values: ArrayLike<number>, axis: number) => {
        const own = Array.from(values).filter((_, i) => i % 2 === axis)
        return Math.max(...own) - Math.min(...own)
      }
      const most = Math.max(extent(positions, 0), extent(positions, 1))
      if (most < 0.01) return
      for (const axis of [0, 1]) expect(Math.abs(extent(quantized, axis) - (extent(positions, axis) / most) * 65_535)).toBeLessThan(2)
    }),
  ))

test('a sample is the same for the same keys, in whatever order they come, and in the order they come', () =>
  fc.assert(
    fc.property(fc.uniqueArray(text, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (keys, most) => {
      const sampleOf = (list: readonly string[]) => {
        const sample = new MapSample(most)
        for (const key of list) sample.add({ key, version: '1' })
        expect(sample.count).toBe(list.length)
        return sample.take().map(({ key }) => key)
      }
      const first = sampleOf(keys)
      expect(first.length).toBe(Math.min(most, keys.length))
      expect(first).toEqual(keys.filter((key) => first.includes(key)))
      expect(new Set(sampleOf([...keys].reverse()))).toEqual(new Set(first))
    }),
  ))

test('the changed share counts what was added, changed and removed, and forgives what never had a vector', () => {
  const before = { keys: ['a', 'b', 'c', 'd'], versions: ['1', '1', '1', '1'], vectorlessCount: 2 }
  const now = (...keys: string[]) => keys.map((key) => ({ key: key[0]!, version: key[1] ?? '1' }))
  expect(changedShare(now('a', 'b', 'c', 'd', 'x', 'y'), before)).toBe(0)
  expect(changedShare(now('a2', 'b', 'c', 'd', 'x', 'y'), before)).toBe(0.25)
  expect(changedShare(now('b', 'c', 'd', 'x', 'y'), before)).toBe(0.25)
  expect(changedShare(now('a', 'b', 'c', 'd', 'e', 'x', 'y'), before)).toBe(0.2)
  expect(changedShare([], { keys: [], versions: [], vectorlessCount: 0 })).toBe(0)
})
