// Every rule of the protocol, broken on purpose: a simulation that does not notice would not notice the mistake either.
import { describe, expect, test } from 'vitest'
import { loadSimulation } from './build.ts'
import { runHistory } from './history.ts'
import { mutants } from './mutants.ts'

const searchedSeeds = 150

describe.each(mutants)('$name ($rule)', ({ edits, seed }) => {
  test('is caught', async () => {
    const mutant = await loadSimulation(edits)
    const { problems } = await mutant.runHistory(seed)
    if (problems.length > 0) {
      expect((await runHistory(seed)).problems, `seed ${seed} without the mutant`).toEqual([])
      return
    }
    // The sources have moved on: another seed may catch it now.
    for (let other = 1; other <= searchedSeeds; other++) {
      if ((await mutant.runHistory(other)).problems.length === 0 || (await runHistory(other)).problems.length > 0) continue
      console.warn(`seed ${seed} does not catch it any more, ${other} does: note it in mutants.ts`)
      return
    }
    expect.fail(`not caught by seed ${seed}, nor by any of 1 to ${searchedSeeds}: make the simulation stronger, or find its seed with npm run simulate -- --mutants`)
  }, 300_000)
})

test('an edit that fits nowhere, or twice, is refused', async () => {
  const file = 'src/engine/commit/writer.ts'
  await expect(loadSimulation([{ file, find: 'no such line', replace: '' }])).rejects.toThrow('0 times')
  await expect(loadSimulation([{ file, find: 'await ', replace: '' }])).rejects.toThrow('expected once')
  await expect(loadSimulation([{ file: 'src/cli/main.ts', find: 'x', replace: 'y' }])).rejects.toThrow('no part of the simulation')
})
