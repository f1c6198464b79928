// Answers get lost, late and doubled. What is acknowledged is stored once; what is refused is not stored; what is unknown is one of the two.
import { expect, test } from 'vitest'
import { systemClock, type Clock } from '../../base/clock.ts'
import { isWindlassError, WindlassError } from '../../base/errors.ts'
import { seededRandom } from '../../base/random.ts'
import { encodeLogRecord, logKey } from '../../format/log-record.ts'
import { MemoryStore } from '../../store/memory-store.ts'
import type { ObjectStore, PutOptions } from '../../store/object-store.ts'
import { versionOf } from '../types.ts'
import { newDatabase, schema } from '../testing.ts'

const fastClock: Clock = { ...systemClock, sleep: () => Promise.resolve() }

/** A store whose conditional puts of log objects go wrong as `fault` says. */
function withFaults(inner: ObjectStore, fault: (key: string) => 'none' | 'lost answer' | 'lost request' | 'doubled'): ObjectStore {
  return new Proxy(inner, {
    get(target, name) {
      if (name !== 'put') {
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
      }
      return async (key: string, bytes: Uint8Array, options?: PutOptions) => {
        const what = key.includes('/log/') || key.endsWith('/manifest') ? fault(key) : 'none'
        if (what === 'lost request') throw new WindlassError('outcome-unknown', 'connection reset')
        const result = await target.put(key, bytes, options)
        if (what === 'lost answer') throw new WindlassError('outcome-unknown', 'connection reset')
        // A proxy repeats the request: the second meets the first one's success.
        return what === 'doubled' ? target.put(key, bytes, options) : result
      }
    },
  })
}

test('a put whose answer is lost, or that a proxy repeats, is recognized as our own', async () => {
  for (const what of ['lost answer', 'doubled', 'lost request'] as const) {
    const inner = new MemoryStore()
    let times = 0
    const store = withFaults(inner, () => (times++ === 1 ? what : 'none'))
    const c = await newDatabase(store, { clock: fastClock }).create('c', schema())
    await c.write({ operations: [{ op: 'put', row: { key: 'a' } }] })
    const result = await c.write({ operations: [{ op: 'put', row: { key: 'b' } }] })
    expect(result.seq, what).toBe(2)
    expect((await (await newDatabase(inner).collection('c')).list()).rows.map(({ key }) => key)).toEqual(['a', 'b'])
  }
})

test('two processes on a bad network: acknowledged once each, in one order that both see', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed)
    const inner = new MemoryStore()
    const store = withFaults(inner, () => {
      const dice = random.next()
      return dice < 0.1 ? 'lost answer' : dice < 0.2 ? 'lost request' : dice < 0.3 ? 'doubled' : 'none'
    })
    await newDatabase(inner).create('c', schema())
    const processes = [await newDatabase(store, { clock: fastClock }).collection('c'), await newDatabase(store, { clock: fastClock }).collection('c')]
    const acknowledged: string[] = []
    const unknown: string[] = []
    await Promise.all(
      processes.map(async (process, p) => {
        for (let i = 0; i < 15; i++) {
          const key = `${p}-${i}`
          try {
            await process.write({ operations: [{ op: 'put', row: { key }, ifAbsent: true }] })
            acknowledged.push(key)
          } catch (error) {
            if (!isWindlassError(error, 'outcome-unknown')) throw error
            unknown.push(key)
          }
          if (i % 6 === 5) await process.flush().catch(() => false)
        }
      }),
    )
    const listed = (await (await newDatabase(inner).collection('c')).list({ limit: 100 })).rows.map(({ key }) => key)
    expect(new Set(listed).size, `seed ${seed}: nothing twice`).toBe(listed.length)
    expect(acknowledged.filter((key) => !listed.includes(key)), `seed ${seed}: nothing lost`).toEqual([])
    expect(listed.filter((key) => !acknowledged.includes(key) && !unknown.includes(key)), `seed ${seed}: nothing from nowhere`).toEqual([])
  }
})

test('a writer that slept past the grace period looks at the manifest before it puts', async () => {
  const inner = new MemoryStore()
  let offsetMs = 0
  const clock: Clock = { now: () => Date.now() + offsetMs, monotonic: () => performance.now() + offsetMs, sleep: () => Promise.resolve() }
  const settings = { graceMs: 1_000_000 }
  const stalled = await newDatabase(inner, { clock, settings }).create('c', schema())
  await stalled.write({ operations: [{ op: 'put', row: { key: 'a' } }] })
  const other = await newDatabase(inner).collection('c')
  await other.write({ operations: [{ op: 'put', row: { key: 'b' } }] })
  await other.flush()
  // What a sweep does after the grace period: the number that the stalled writer would try is free again.
  await inner.delete([`data/${stalled.id}/log/00000000000000000001`, `data/${stalled.id}/log/00000000000000000002`])
  offsetMs = 2_000_000
  const { seq } = await stalled.write({ operations: [{ op: 'put', row: { key: 'c' } }] })
  expect(seq).toBe(3)
  expect((await other.list()).rows.map(({ key }) => key)).toEqual(['a', 'b', 'c'])
})

test('a writer whose put won, and that sleeps until its number was swept and taken by one who slept longer, does not think that it lost', async () => {
  const inner = new MemoryStore()
  let offsetMs = 0
  const clock: Clock = { now: () => Date.now() + offsetMs, monotonic: () => performance.now() + offsetMs, sleep: () => Promise.resolve() }
  const settings = { graceMs: 1_000_000 }
  const other = await newDatabase(inner, { clock, settings }).create('c', schema())
  const key = other.core.prefix + logKey(2)
  const answers = new Proxy(inner, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (name !== 'put') return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
      return async (putKey: string, bytes: Uint8Array, options?: PutOptions) => {
        const result = await target.put(putKey, bytes, options)
        if (putKey !== key) return result
        await other.flush()
        await inner.delete([key])
        await inner.put(key, encodeLogRecord({ seq: 2, collectionId: other.id, nonce: '0f'.repeat(16), writtenAt: 0, batches: [], event: null }))
        offsetMs = 2_000_000
        throw new WindlassError('conflict', 'a proxy repeated the request: 412')
      }
    },
  })
  const sleeper = await newDatabase(answers, { clock, settings }).collection('c')
  await sleeper.write({ operations: [{ op: 'put', row: { key: 'a' } }] })
  await expect(sleeper.write({ operations: [{ op: 'put', row: { key: 'b' } }] })).rejects.toMatchObject({ kind: 'outcome-unknown' })
  const seen = [`a@${versionOf(other.id, { seq: 1, ordinal: 0 })}`, `b@${versionOf(other.id, { seq: 2, ordinal: 0 })}`]
  expect((await other.list()).rows.map((row) => `${row.key}@${row.version}`)).toEqual(seen)
  expect((await sleeper.list()).rows.map((row) => `${row.key}@${row.version}`)).toEqual(seen)
})
