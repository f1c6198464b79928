import fc from 'fast-check'
import { expect, test } from 'vitest'
import { between, fitAll, fitPlaces, pan, toMap, toScreen, zoom, type Camera } from './camera.ts'
import { coloursOf, shownCode } from './map-colours.ts'
import { PointGrid } from './point-grid.ts'

const size = { width: 800, height: 500 }
const share = fc.double({ min: 0, max: 1, noNaN: true })
const camera: fc.Arbitrary<Camera> = fc.record({ x: share, y: share, scale: fc.double({ min: 300, max: 50_000, noNaN: true }) })

test('a place of the screen is the place of the map that is there', () =>
  fc.assert(
    fc.property(camera, share, share, (seen, x, y) => {
      const back = toMap(seen, size, toScreen(seen, size, { x, y }))
      expect(back.x).toBeCloseTo(x, 9)
      expect(back.y).toBeCloseTo(y, 9)
    }),
  ))

test('what is pointed at stays where it is when one goes nearer', () =>
  fc.assert(
    fc.property(fc.record({ x: fc.constant(0.5), y: fc.constant(0.5), scale: fc.constant(fitAll(size).scale) }), fc.double({ min: 1.01, max: 30, noNaN: true }), fc.integer({ min: 200, max: 600 }), fc.integer({ min: 100, max: 400 }), (seen, factor, x, y) => {
      const before = toMap(seen, size, { x, y })
      const after = zoom(seen, size, factor, { x, y })
      const there = toScreen(after, size, before)
      expect(there.x).toBeCloseTo(x, 6)
      expect(there.y).toBeCloseTo(y, 6)
      expect(after.scale).toBeCloseTo(seen.scale * factor, 6)
    }),
  ))

test('however one moves, some of the map is in the middle, and it is neither a dot nor a wall', () =>
  fc.assert(
    fc.property(camera, fc.array(fc.tuple(fc.integer({ min: -5000, max: 5000 }), fc.double({ min: 0.01, max: 100, noNaN: true })), { maxLength: 20 }), (seen, moves) => {
      const end = moves.reduce((now, [by, factor]) => zoom(pan(now, by, -by), size, factor, { x: Math.abs(by) % 800, y: 10 }), seen)
      expect(end.x >= 0 && end.x <= 1 && end.y >= 0 && end.y <= 1).toBe(true)
      if (moves.length > 0) expect(end.scale).toBeGreaterThanOrEqual(fitAll(size).scale / 2 - 1e-9)
      if (moves.length > 0) expect(end.scale).toBeLessThanOrEqual(fitAll(size).scale * 400 + 1e-6)
    }),
  ))

test('a flight ends where it was to end, with all places in sight', () =>
  fc.assert(
    fc.property(fc.array(fc.record({ x: share, y: share }), { minLength: 1, maxLength: 20 }), (places) => {
      const end = between(fitAll(size), fitPlaces(places, size), 1)
      for (const place of places) {
        const { x, y } = toScreen(end, size, place)
        expect(x).toBeGreaterThanOrEqual(-1)
        expect(x).toBeLessThanOrEqual(size.width + 1)
        expect(y).toBeGreaterThanOrEqual(-1)
        expect(y).toBeLessThanOrEqual(size.height + 1)
      }
    }),
  ))

test('the grid finds the point that a look at all of them finds', () =>
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 65_535 }), { maxLength: 200 }), share, share, fc.double({ min: 0.0001, max: 1.5, noNaN: true }), (values, x, y, radius) => {
      const positions = Uint16Array.from(values.slice(0, values.length - (values.length % 2)))
      const distanceOf = (point: number) => Math.hypot(positions[point * 2]! - x * 65_535, positions[point * 2 + 1]! - y * 65_535)
      const near = Array.from({ length: positions.length / 2 }, (_, point) => distanceOf(point)).filter((distance) => distance <= radius * 65_535)
      const found = new PointGrid(positions).nearest(x, y, radius)
      if (near.length === 0) expect(found).toBe(-1)
      else expect(distanceOf(found)).toBeCloseTo(Math.min(...near), 6)
    }),
  ))

test('each of the first ten values has a colour of its own, and the others one together', () => {
  const values = Array.from({ length: 20 }, (_, i) => ({ value: `v${i}`, count: 20 - i }))
  for (const isDark of [false, true]) {
    const { colours, legend } = coloursOf({ name: 'f', kind: 'text', values, codes: new Uint8Array() }, isDark)
    expect(legend.map(({ name }) => name)).toEqual([...values.slice(0, 10).map(({ value }) => value), 'any other'])
    expect(new Set(colours.slice(1, 11).map(String)).size).toBe(10)
    expect(shownCode(10)).toBe(10)
    for (const code of [11, 20, 255]) expect(colours[shownCode(code)]).toEqual(legend.at(-1)!.colour)
  }
  expect(coloursOf({ name: 'n', kind: 'number', least: 0, most: 1, codes: new Uint8Array() }, false).colours[1]).not.toEqual(coloursOf({ name: 'n', kind: 'number', least: 0, most: 1, codes: new Uint8Array() }, false).colours[255])
})
