import { expect, test } from 'vitest'
import { pauseMs } from './pause.ts'

test('pauses grow, to a minute at most', () => {
  const pauses = Array.from({ length: 40 }, (_, count) => pauseMs(2000, count))
  expect(pauses[0]).toBe(2000)
  expect(pauses.slice(1).every((pause, i) => pause > pauses[i]! || pause === 60_000)).toBe(true)
  expect(pauses.at(-1)).toBe(60_000)
  expect(pauseMs(700, 10_000)).toBe(60_000)
})
