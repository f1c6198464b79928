import { expect, test } from 'vitest'
import { followMany } from '../../bench/events/follow-many.ts'

test('the benchmark of events runs, and what it measures is right', async () => {
  expect(await followMany(30, { steadySeconds: 1, steadyPerSecond: 5 })).toMatchObject({ events: 36, steadyLagMs: { median: expect.any(Number) } })
})
