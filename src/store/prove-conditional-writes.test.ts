import { describe, expect, test } from 'vitest'
import { WindlassError } from '../base/errors.ts'
import { systemRandom } from '../base/random.ts'
import { SimClock } from '../testing/sim-clock.ts'
import { CountingStore } from './counting-store.ts'
import { MemoryStore } from './memory-store.ts'
import type { PutOptions, PutResult } from './object-store.ts'
import { proofKey, proveConditionalWrites } from './prove-conditional-writes.ts'
import { WrappingStore } from './wrapping-store.ts'

type Put = (key: string, bytes: Uint8Array, options?: PutOptions) => Promise<PutResult>

/** A store that treats puts as `change` says, at `where`. */
function storeWith(change: (put: Put) => Put, where = 'https://store/bucket (Test)') {
  const store = new (class extends WrappingStore {
    override put = change((key, bytes, options) => this.inner.put(key, bytes, options))
    override place() {
      return where
    }
  })(new MemoryStore())
  return store
}

const prove = (store: WrappingStore | MemoryStore, clock = new SimClock()) => clock.runUntil(proveConditionalWrites(store, { clock, random: systemRandom }))
const keep = (put: Put) => put

describe('proveConditionalWrites', () => {
  test('accepts a store that keeps them, and leaves the proof and nothing else', async () => {
    const memory = new MemoryStore()
    await prove(memory)
    const left: string[] = []
    for await (const { key } of memory.list('')) left.push(key)
    expect(left).toEqual([proofKey])
  })

  const breaks: Record<string, [(put: Put) => Put, RegExp]> = {
    'ignores If-None-Match': [(put) => (key, bytes, options) => put(key, bytes, options?.condition && 'ifAbsent' in options.condition ? {} : options), /ignores If-None-Match.*use a store with conditional writes/],
    'ignores If-Match': [(put) => (key, bytes, options) => put(key, bytes, options?.condition && 'ifMatch' in options.condition ? {} : options), /ignores If-Match \(it replaced/],
    'checks, then writes': [
      (put) => {
        let running = 0
        return async (key, bytes, options) => {
          // Alone it keeps the condition; in a race two may pass the check.
          const together = running++
          await Promise.resolve()
          running--
          return put(key, bytes, together > 0 && together < 3 ? {} : options)
        }
      },
      /in a race \(\d of 8 writers won\)/,
    ],
  }
  for (const [name, [change, message]] of Object.entries(breaks)) {
    test(`refuses a store that ${name}, and remembers nothing`, async () => {
      const store = storeWith(change)
      await expect(prove(store)).rejects.toThrow(message)
      await expect(prove(store)).rejects.toMatchObject({ kind: 'unsupported' })
      expect((await store.get(proofKey)).kind).toBe('absent')
    })
  }

  test('costs nothing the second time in a process, and one read in the next', async () => {
    const memory = new MemoryStore()
    const counting = new CountingStore(memory)
    await prove(counting)
    const { requests } = counting.counts()
    await prove(counting)
    expect(counting.counts().requests).toEqual(requests)
    const nextProcess = new CountingStore(memory)
    await prove(nextProcess)
    expect(nextProcess.counts().requests).toEqual({ get: 1 })
  })

  test('two callers at once share one proof', async () => {
    const counting = new CountingStore(new MemoryStore())
    await Promise.all([prove(counting), prove(counting)])
    // Two creations, two replacements, eight racers, and the proof itself.
    expect(counting.counts().requests).toEqual({ get: 1, put: 13, delete: 1 })
  })

  test('a proof that was copied with the bucket to another place is made again there', async () => {
    const store = storeWith(keep, 'https://one/bucket (A)')
    await prove(store)
    const copy = await store.get(proofKey)
    const elsewhere = storeWith(breaks['ignores If-Match']![0], 'https://two/bucket (B)')
    if (copy.kind === 'found') await elsewhere.put(proofKey, copy.bytes)
    await expect(prove(elsewhere)).rejects.toThrow(/ignores If-Match/)
  })

  test('a damaged proof is made again', async () => {
    const memory = new MemoryStore()
    await memory.put(proofKey, Uint8Array.of(1, 2, 3))
    await prove(memory)
    const now = await memory.get(proofKey)
    expect(now.kind === 'found' && JSON.parse(new TextDecoder().decode(now.bytes))).toMatchObject({ formatVersion: 1, place: 'memory:' })
  })

  test('a store that takes one overwrite a second is waited for', async () => {
    const clock = new SimClock()
    const written = new Map<string, number>()
    const store = storeWith((put) => async (key, bytes, options) => {
      if (clock.now() - (written.get(key) ?? -Infinity) < 1000) throw new WindlassError('unavailable', 'slow down', { status: 429 })
      const result = await put(key, bytes, options)
      written.set(key, clock.now())
      return result
    })
    await prove(store, clock)
    expect((await store.get(proofKey)).kind).toBe('found')
  })
})
