import { expect, test } from 'vitest'
import type { Contender } from '../../bench/vector/contender.ts'
import { recallOf, tune } from '../../bench/vector/tune.ts'

const truth = Uint32Array.of(1, 2, 3, 4)

test('recall counts what was found of the k nearest of each query, by the number of the query', () => {
  const answer = { rows: [[4, 9], [1, 2]], times: [], cpuMs: 0, rss: 0 }
  expect(recallOf(answer, [1, 0], truth, 2)).toBe(0.75)
})

/** Finds both neighbors of the one query from some effort on, one of them before; takes as long as it is told. */
function contender(families: { effort: number; enough: number; cost: number }[][]): { contender: Contender; asked: () => number } {
  let asked = 0
  const ask = ({ effort, enough, cost }: { effort: number; enough: number; cost: number }) => {
    asked++
    return Promise.resolve({ rows: [effort >= enough ? [1, 2] : [1, 8]], times: [], cpuMs: cost * (effort + 1), rss: 0 })
  }
  return { contender: { families, ask } as unknown as Contender, asked: () => asked }
}

const family = (enough: number, cost: number) => Array.from({ length: 100 }, (_, effort) => ({ effort, enough, cost }))

test('tuning takes the cheapest member of each family that suffices, and of those the fastest', async () => {
  for (const enough of [0, 1, 3, 4, 37, 99]) {
    const { contender: one, asked } = contender([family(enough, 2), family(enough, 1)])
    expect(await tune(one, 1, [0], truth, 2)).toMatchObject({ setting: { effort: enough, cost: 1 }, recall: 1 })
    expect(asked()).toBeLessThan(40)
  }
})

test('where no family suffices, tuning says what recall the last member has', async () => {
  expect(await tune(contender([family(1000, 1)]).contender, 1, [0], truth, 2)).toMatchObject({ setting: { effort: 99 }, recall: 0.5 })
})
