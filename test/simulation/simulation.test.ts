// The protocol in simulated weather: several processes on one bucket, every await a step that a seed decides.
import { expect, test } from 'vitest'
import { runHistory } from './history.ts'
import { expectedEvents, Tally } from './tally.ts'

const historyCount = 250

test(`${historyCount} histories: nothing acknowledged is lost, no read goes back, nothing stands twice`, async () => {
  const tally = new Tally()
  for (let seed = 1; seed <= historyCount; seed++) {
    const result = await runHistory(seed)
    tally.add(result)
    expect(result.problems, `npm run simulate -- --seed=${seed} --histories=1`).toEqual([])
    expect(result.actors, `actors of seed ${seed}`).toBeGreaterThanOrEqual(4)
    expect(result.bucketOperations, `bucket operations of seed ${seed}`).toBeGreaterThanOrEqual(200)
  }
  expect(tally.faultyHistories, 'histories with a fault or a crash').toBeGreaterThan(historyCount / 2)
  expect(expectedEvents.filter((name) => tally.countOf(name) === 0), 'faults and races that never occurred').toEqual([])
}, 900_000)

test('a seed replays exactly', async () => {
  const lines: string[][] = [[], []]
  const [first, second] = [await runHistory(4711, (line) => lines[0]!.push(line)), await runHistory(4711, (line) => lines[1]!.push(line))]
  expect(lines[0]!.length).toBeGreaterThan(500)
  expect(lines[1]).toEqual(lines[0])
  expect(second.hash).toBe(first.hash)
  expect((await runHistory(4712)).hash).not.toBe(first.hash)
})
