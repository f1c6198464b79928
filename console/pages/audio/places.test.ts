import { expect, test } from 'vitest'
import { drawn, lineAt, showSeconds } from './places.ts'

test('a place in a recording is shown in hours, minutes and seconds', () => {
  expect([0, 59.9, 60, 3599, 3600, 3723, -1].map(showSeconds)).toEqual(['0:00', '0:59', '1:00', '59:59', '1:00:00', '1:02:03', '0:00'])
})

test('the line that is being heard is the last that has begun', () => {
  const lines = [{ start: 1 }, { start: 2 }, { start: 2 }, { start: 5 }]
  expect([0, 1, 1.9, 2, 4.9, 5, 100].map((at) => lineAt(lines, at))).toEqual([-1, 0, 0, 2, 2, 3, 3])
  expect(lineAt([], 3)).toBe(-1)
})

test('segments that would touch are drawn as one, and none leaves the line', () => {
  const segment = (start: number, end: number) => ({ speaker: 'a', start, end })
  expect(drawn([segment(50, 60), segment(0, 10)], 100, 100)).toEqual([
    { start: 0, width: 0.1 },
    { start: 0.5, width: 0.1 },
  ].map(({ start, width }) => ({ start, width: expect.closeTo(width) })))
  expect(drawn([segment(0, 10), segment(10.5, 20), segment(5, 8)], 100, 100)).toEqual([{ start: 0, width: expect.closeTo(0.2) }])
  expect(drawn([segment(90, 120)], 100, 100)).toEqual([{ start: 0.9, width: expect.closeTo(0.1) }])
  expect(drawn(Array.from({ length: 100_000 }, (_, i) => segment(i, i + 0.5)), 100_000, 700).length).toBeLessThanOrEqual(701)
})
