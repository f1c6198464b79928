// The lease saves double work and nothing else: it must never stop anybody for longer than its duration, whatever lies under its key.
import { expect, test } from 'vitest'
import { toUtf8 } from '../../base/bytes.ts'
import { leaseKey } from '../../format/lease.ts'
import { schema } from '../testing.ts'
import { MaintenanceLease } from './lease.ts'
import { world } from './testing.ts'

async function two() {
  const all = world({ leaseMs: 60_000 })
  const [a, b] = [await all.open().create('c', schema()), await all.open().collection('c')]
  return { ...all, prefix: a.core.prefix, a: new MaintenanceLease(a.core), b: new MaintenanceLease(b.core) }
}

test('one holds it; given back, the other may', async () => {
  const { a, b } = await two()
  expect(await a.acquire()).toBe(true)
  expect(await b.acquire()).toBe(false)
  await a.release()
  expect(await b.acquire()).toBe(true)
  await a.release()
  expect(await a.acquire(), 'a second release is nothing').toBe(false)
})

test('of two that ask at once, one gets it', async () => {
  const { a, b } = await two()
  expect((await Promise.all([a.acquire(), b.acquire()])).sort()).toEqual([false, true])
  await a.release()
  await b.release()
  expect((await Promise.all([a.acquire(), b.acquire()])).sort()).toEqual([false, true])
})

test('is taken over when its holder has been silent for its duration, as the observer sees it', async () => {
  const { a, b, clock } = await two()
  await a.acquire()
  clock.ms += 1_000_000
  expect(await b.acquire(), 'seen for the first time').toBe(false)
  clock.ms += 59_999
  expect(await b.acquire()).toBe(false)
  clock.ms += 1
  expect(await b.acquire()).toBe(true)
  await a.renew()
  clock.ms += 60_000
  await a.renew()
  expect(await a.acquire(), 'the old holder has lost it').toBe(false)
})

test('stays with a holder that shows itself', async () => {
  const { a, b, clock } = await two()
  await a.acquire()
  for (let i = 0; i < 20; i++) {
    clock.ms += 25_000
    await a.renew()
    expect(await b.acquire()).toBe(false)
  }
})

test.each(['', 'foreign', '{"state":"held"}', '[]', 'null', '{"nonce":"x","state":"held","durationMs":-5}'])('what it cannot read (%j) holds nobody up for long', async (text) => {
  const { a, clock, prefix, store } = await two()
  await store.put(prefix + leaseKey, toUtf8(text))
  expect(await a.acquire()).toBe(false)
  clock.ms += 60_000
  expect(await a.acquire()).toBe(true)
})
