// The log that no segment holds is bounded, whoever writes; a write that cannot be helped is refused before it is written.
import { expect, test } from 'vitest'
import { WindlassError } from '../../base/errors.ts'
import { seededRandom } from '../../base/random.ts'
import { MemoryStore } from '../../store/memory-store.ts'
import { FaultyStore } from '../../testing/faulty-store.ts'
import { newDatabase, schema } from '../testing.ts'

const put = (key: string) => ({ operations: [{ op: 'put' as const, row: { key, document: 'some text' } }] })

test('processes that write once and end keep the log bounded', async () => {
  const store = new MemoryStore()
  await newDatabase(store).create('c', schema())
  const settings = { unflushedCommitsMax: 10, flushCommits: 1e9, flushAgeMs: 1e9 }
  for (let i = 0; i < 35; i++) {
    const c = await newDatabase(store, { settings }).collection('c')
    await c.write(put(`k${i}`))
    expect((await c.stats()).unflushedCommits).toBeLessThanOrEqual(10)
  }
  expect(await (await newDatabase(store).collection('c')).count()).toBe(35)
})

test('the bound counts bytes too', async () => {
  const c = await newDatabase(new MemoryStore(), { settings: { unflushedBytesMax: 3000, flushBytes: 1e9, flushAgeMs: 1e9 } }).create('c', schema())
  for (let i = 0; i < 30; i++) {
    await c.write({ operations: [{ op: 'put', row: { key: `k${i}`, document: 'x'.repeat(500) } }] })
    expect((await c.stats()).unflushedBytes).toBeLessThan(3000 + 1000)
  }
})

test('when flushing fails, writes at the bound are refused, to be retried; nothing of them is stored, and reads go on', async () => {
  const memory = new MemoryStore()
  let isBroken = false
  const hooks = {
    before: ({ operation, key }: { operation: string; key: string }) => {
      if (isBroken && operation === 'put' && key.includes('/segments/')) throw new WindlassError('storage-full', 'no room for segments')
    },
  }
  const settings = { unflushedCommitsMax: 5, flushCommits: 1e9, flushAgeMs: 1e9 }
  const c = await newDatabase(new FaultyStore(memory, { random: seededRandom(1), hooks }), { settings }).create('c', schema())
  isBroken = true
  for (let i = 0; i < 5; i++) await c.write(put(`k${i}`))
  for (let i = 0; i < 2; i++) {
    await expect(c.write(put('refused'))).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/5 commits of \d+ bytes to flush, at most 5 of \d+, and flushing failed \(no room for segments\): retry later/),
      details: { retryAfterMs: 2000 },
    })
  }
  expect((await c.list()).rows).toHaveLength(5)
  isBroken = false
  await c.write(put('later'))
  expect((await c.list()).rows.map(({ key }) => key)).toEqual(['k0', 'k1', 'k2', 'k3', 'k4', 'later'])
  expect((await c.stats()).unflushedCommits).toBe(1)
})
