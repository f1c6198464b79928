import { describe, expect, test } from 'vitest'
import { WindlassError } from '../base/errors.ts'
import { systemRandom } from '../base/random.ts'
import { CountingStore } from './counting-store.ts'
import { ListingAbsenceStore } from './listing-absence-store.ts'
import { MemoryStore } from './memory-store.ts'
import type { GetOptions, GetResult, ListOptions } from './object-store.ts'
import { WrappingStore } from './wrapping-store.ts'

/** As S3 answers where credentials lack s3:ListBucket for the bucket as a whole: 403 to reads of missing keys. */
class Forbidding extends WrappingStore {
  mayRead = true
  mayList = true
  tellsAbsence = false

  override async get(key: string, options?: GetOptions): Promise<GetResult> {
    if (!this.mayRead) throw refused('get')
    const answer = await super.get(key, options)
    if (answer.kind === 'absent' && !this.tellsAbsence) throw refused('get')
    return answer
  }

  override async head(key: string) {
    const head = await super.head(key)
    if (!head && !this.tellsAbsence) throw refused('head')
    return head
  }

  override list(prefix: string, options?: ListOptions) {
    if (!this.mayList) throw refused('list')
    return super.list(prefix, options)
  }
}

const refused = (operation: string) => new WindlassError('denied', `${operation}: access denied`, { status: 403 })

function open() {
  const forbidding = new Forbidding(new MemoryStore())
  const counting = new CountingStore(forbidding)
  return { forbidding, counting, store: new ListingAbsenceStore(counting, { random: systemRandom }) }
}

describe('ListingAbsenceStore', () => {
  test('a missing key is absent though reading it is refused', async () => {
    const { store } = open()
    await store.put('log/10', Uint8Array.of(1))
    expect((await store.get('log/1')).kind).toBe('absent')
    expect((await store.get('log/1', { fresh: true })).kind).toBe('absent')
    expect(await store.head('log/1')).toBeNull()
    expect((await store.get('log/10')).kind).toBe('found')
    expect(store.absence).toBe('list')
    await store.put('log/1', Uint8Array.of(1))
    expect((await store.get('log/1', { fresh: true })).kind).toBe('found')
  })

  test('where reads say "absent", a refusal is an error for ever', async () => {
    const { forbidding, store } = open()
    forbidding.tellsAbsence = true
    expect((await store.get('log/1')).kind).toBe('absent')
    forbidding.tellsAbsence = false
    await expect(store.get('log/2')).rejects.toMatchObject({ kind: 'denied' })
    expect(store.absence).toBe('get')
  })

  test('reads that are withdrawn from one who never missed a key are refused, not absent', async () => {
    const { forbidding, store } = open()
    await store.put('manifest', Uint8Array.of(1))
    await store.get('manifest')
    forbidding.mayRead = false
    await expect(store.get('manifest')).rejects.toMatchObject({ kind: 'denied' })
  })

  test('who may neither read nor list is told which permissions are missing', async () => {
    const { forbidding, store } = open()
    forbidding.mayList = false
    // The store's own refusal: it names the key, and what is needed there.
    await expect(store.get('key')).rejects.toThrow('get: access denied')
    await expect(store.probeAbsence()).rejects.toMatchObject({ kind: 'denied', message: expect.stringMatching(/s3:GetObject, and s3:ListBucket/) })
  })

  test('absence costs a read and a listing, once it is known how it is said', async () => {
    const { counting, store } = open()
    expect(await store.probeAbsence()).toBe('list')
    const before = counting.counts().requests
    await store.get('log/1', { fresh: true })
    expect(counting.counts().requests).toEqual({ get: before.get! + 1, list: before.list! + 1 })
  })
})
