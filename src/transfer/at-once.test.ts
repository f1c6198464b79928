import { expect, test } from 'vitest'
import { ByteBudget, forEachAtOnce } from './at-once.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('each item is done once, so many at a time', async () => {
  let [running, runningMax] = [0, 0]
  const done: number[] = []
  await forEachAtOnce(Array.from({ length: 50 }).keys(), 7, async (item) => {
    runningMax = Math.max(runningMax, ++running)
    await turn()
    running--
    done.push(item)
  })
  expect(runningMax).toBe(7)
  expect(done.sort((a, b) => a - b)).toEqual([...Array.from({ length: 50 }).keys()])
})

test('after a failure nothing new is begun, and it is thrown when the rest has ended', async () => {
  let [begun, ended] = [0, 0]
  const work = forEachAtOnce(Array.from({ length: 50 }).keys(), 5, async (item) => {
    begun++
    await turn()
    if (item === 2) throw new Error('two')
    await turn()
    ended++
  })
  await expect(work).rejects.toThrow('two')
  expect(ended).toBe(begun - 1)
  expect(begun).toBeLessThan(12)
})

test('memory is shared in the order of asking; who wants more than all gets all', async () => {
  const budget = new ByteBudget(100)
  let held = 0
  const order: number[] = []
  await Promise.all([60, 30, 50, 500, 10, 100].map((bytes) => budget.hold(bytes, async () => {
    order.push(bytes)
    held += Math.min(bytes, 100)
    expect(held).toBeLessThanOrEqual(100)
    await turn()
    held -= Math.min(bytes, 100)
  })))
  expect(order).toEqual([60, 30, 50, 500, 10, 100])
  // A failure gives back what it held.
  await expect(budget.hold(100, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await budget.hold(100, () => Promise.resolve('again'))).toBe('again')
})
