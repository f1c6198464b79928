import { describe, expect, test } from 'vitest'
import { Lane, SharedRun } from './lane.ts'

describe('SharedRun', () => {
  test('never joins a run already in flight: it may have looked before the caller came', async () => {
    let started = 0
    let release: (() => void) | null = null
    const run = new SharedRun(async () => {
      const mine = ++started
      await new Promise<void>((resolve) => (release = resolve))
      return mine
    })
    const first = run.join()
    await new Promise((resolve) => setTimeout(resolve))
    expect(started).toBe(1)
    const late = [run.join(), run.join()]
    release!()
    expect(await first).toBe(1)
    await new Promise((resolve) => setTimeout(resolve))
    release!()
    expect(await Promise.all(late)).toEqual([2, 2])
  })

  test('goes on after a failure', async () => {
    let calls = 0
    const run = new SharedRun(async () => {
      if (++calls === 1) throw new Error('first')
      return calls
    })
    await expect(run.join()).rejects.toThrow('first')
    expect(await run.join()).toBe(2)
  })
})

test('a lane runs one task at a time, in order, past failures', async () => {
  const lane = new Lane()
  const seen: string[] = []
  const task = (name: string, fail = false) =>
    lane.run(async () => {
      seen.push(`${name} starts`)
      await new Promise((resolve) => setTimeout(resolve, 5))
      seen.push(`${name} ends`)
      if (fail) throw new Error(name)
    })
  const results = await Promise.allSettled([task('a'), task('b', true), task('c')])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(seen).toEqual(['a starts', 'a ends', 'b starts', 'b ends', 'c starts', 'c ends'])
})
