import { expect, test } from 'vitest'
import { fuseConvex, fuseReciprocalRank } from './fuse.ts'

test('reciprocal rank fusion adds 1 / (k + rank) over the lists', () => {
  const fused = fuseReciprocalRank([[7, 8, 9], [9, 7]], { k: 60 })
  expect(fused.map(({ id }) => id)).toEqual([7, 9, 8])
  expect(fused[0]!.score).toBeCloseTo(1 / 61 + 1 / 62, 12)
})

test('the convex combination weighs normalized scores', () => {
  const candidates = [
    { id: 1, distance: 0.2, text: 0 },
    { id: 2, distance: 1.2, text: 10 },
    { id: 3, distance: 0.7, text: 5 },
    { id: 4, text: 10 },
  ]
  const scores = (weight: number) => new Map(fuseConvex(candidates, { weight }).map(({ id, score }) => [id, score]))
  expect([...scores(0.25)].sort(([a], [b]) => a - b).map(([, score]) => Math.round(score * 1000) / 1000)).toEqual([0.25, 0.75, 0.5, 0.75])
  expect(fuseConvex(candidates, { weight: 1 })[0]!.id).toBe(1)
  expect(fuseConvex(candidates, { weight: 0 }).map(({ id }) => id)).toEqual([2, 4, 3, 1])
})

test('one candidate, or none with a text score, is no division by zero', () => {
  expect(fuseConvex([{ id: 5, distance: 0.3 }], { weight: 0.5 })).toEqual([{ id: 5, score: 0.5 }])
  expect(fuseConvex([])).toEqual([])
})
