import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { measure, median, resultTable, windlass } from '../../bench/transfer/measure.ts'

const folder = mkdtempSync(join(tmpdir(), 'windlass-bench-test-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the benchmark of transfers runs, and checks what came', () => {
  const options = { url: `file:${join(folder, 'bucket')}`, folder: join(folder, 'work'), rounds: 2 }
  const tasks = [{ name: 'few', count: 3, bytes: [10, 20] as const }]
  const own = windlass(false)
  // A directory is its own bucket, whose URL the bench writes a path after: another one a tool.
  const table = resultTable(measure([own], tasks, options))
  expect(table.split('\n')).toHaveLength(4)
  expect(table).toMatch(/\| few \| up \| windlass \| [\d.]+ \| [\d.]+ \| [\d.]+ \| 1\.00 \|/)
  const forgetful = { name: 'forgetful', command: (...task: Parameters<typeof own.command>) => (task[0] === 'down' ? ['sh', '-c', `mkdir -p ${task[1]} && echo > ${task[1]}/x`] : own.command(...task)) }
  expect(() => measure([forgetful], tasks, options)).toThrow('something else than it sent')
})

test('the median of an even number of values lies between the two in the middle', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(median([3, 1, 2])).toBe(2)
})
