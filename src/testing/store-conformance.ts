import { strict as assert } from 'node:assert'
import { systemClock } from '../base/clock.ts'
import { isWindlassError, type ErrorKind } from '../base/errors.ts'
import type { ObjectStore, StoredObject } from '../store/object-store.ts'

type TestFunction = (name: string, run: () => Promise<void>) => void

/** What a store may do without, each with the reason it cannot. */
export interface ConformanceOptions {
  readonly skip?: Readonly<Record<string, string>>
}

const text = (value: string) => new TextEncoder().encode(value)
const read = (value: Uint8Array) => new TextDecoder().decode(value)

/**
 * The promises every `ObjectStore` keeps. Runner-agnostic, so that stores in other repositories can use it.
 * @param open An empty store, the same place for every store opened within one test.
 */
export function testObjectStore(
  test: TestFunction,
  open: () => Promise<ObjectStore>,
  { skip = {} }: ConformanceOptions = {},
): void {
  const promise = (name: string, run: (store: ObjectStore) => Promise<void>) => {
    if (!(name in skip)) test(name, async () => run(await open()))
  }
  testReads(promise)
  testWrites(promise)
  testConditions(promise)
  testListing(promise)
  testKeys(promise)
  testStreams(promise)
}

/** Declares a test of one promise, unless it is skipped. */
type Declare = (name: string, run: (store: ObjectStore) => Promise<void>) => void

function testReads(promise: Declare): void {
  promise('get and head of an absent key say so', async (store) => {
    assert.equal((await store.get('absent')).kind, 'absent')
    assert.equal(await store.head('absent'), null)
    assert.equal((await store.get('absent', { range: { start: 0, end: 5 } })).kind, 'absent')
  })

  promise('a read after a write sees it, at once', async (store) => {
    for (let i = 0; i < 20; i++) {
      await store.put('a/b', text(`value ${i}`))
      assert.equal(read((await found(store, 'a/b')).bytes), `value ${i}`)
    }
  })

  promise('ranges are half-open, cut to the object, and know the whole size', async (store) => {
    await store.put('key', Uint8Array.of(0, 1, 2, 3, 4))
    const part = async (range: { start: number; end: number } | { suffix: number }) => {
      const answer = await store.get('key', { range })
      assert.equal(answer.kind, 'found')
      assert.equal((answer).size, 5)
      return [...(answer).bytes]
    }
    assert.deepEqual(await part({ start: 1, end: 3 }), [1, 2])
    assert.deepEqual(await part({ start: 3, end: 100 }), [3, 4])
    assert.deepEqual(await part({ start: 0, end: 5 }), [0, 1, 2, 3, 4])
    assert.deepEqual(await part({ suffix: 2 }), [3, 4])
    assert.deepEqual(await part({ suffix: 50 }), [0, 1, 2, 3, 4])
    assert.deepEqual(await part({ start: 5, end: 9 }), [])
    assert.deepEqual(await part({ start: 2, end: 2 }), [])
  })

  promise('an empty object is there, and empty', async (store) => {
    await store.put('empty', new Uint8Array(0))
    const object = await found(store, 'empty')
    assert.equal(object.size, 0)
    assert.equal(object.bytes.length, 0)
    assert.equal((await store.head('empty'))?.size, 0)
    assert.equal((await found(store, 'empty', { range: { start: 0, end: 10 } })).bytes.length, 0)
  })

  promise(
    'ifNoneMatch answers unchanged while the object is the same, and the object when it is not',
    async (store) => {
      const { etag } = await store.put('key', text('one'))
      assert.equal((await store.get('key', { ifNoneMatch: etag })).kind, 'unchanged')
      assert.equal((await found(store, 'key')).etag, etag)
      const second = await store.put('key', text('two'))
      assert.notEqual(second.etag, etag)
      assert.equal(read((await found(store, 'key', { ifNoneMatch: etag })).bytes), 'two')
    },
  )

  promise('tells its own time, on presence, absence and write', async (store) => {
    const written = await store.put('key', text('x'))
    for (const date of [written.date, (await store.get('key')).date, (await store.get('absent')).date]) {
      assert.ok(date !== undefined && Math.abs(date - systemClock.now()) < 600_000, `date is ${date}`)
    }
    const modified = (await found(store, 'key')).lastModified
    assert.ok(modified !== undefined && Math.abs(modified - systemClock.now()) < 600_000, `lastModified is ${modified}`)
  })
}

function testWrites(promise: Declare): void {
  promise('the caller may reuse its bytes after a put, and change what it was given', async (store) => {
    const bytes = text('original')
    await store.put('key', bytes)
    bytes.fill(0)
    const first = await found(store, 'key')
    first.bytes.fill(0)
    assert.equal(read((await found(store, 'key')).bytes), 'original')
  })

  promise('20 MB go in and come out whole', async (store) => {
    const bytes = Uint8Array.from({ length: 20 * 1024 * 1024 }, (_, i) => (i * 31 + (i >>> 8)) & 255)
    await store.put('big', bytes)
    const object = await found(store, 'big')
    assert.ok(Buffer.compare(object.bytes, bytes) === 0)
    const middle = await found(store, 'big', { range: { start: 10_000_000, end: 10_000_100 } })
    assert.deepEqual([...middle.bytes], [...bytes.subarray(10_000_000, 10_000_100)])
  })

  promise('delete removes many keys, absent ones too, and only them', async (store) => {
    await Promise.all(['a', 'b', 'c'].map((key) => store.put(`d/${key}`, text(key))))
    await store.put('d/a', text('second version'))
    await store.delete(['d/a', 'd/b', 'd/absent'])
    assert.equal((await store.get('d/a')).kind, 'absent')
    assert.equal(await store.head('d/b'), null)
    assert.deepEqual(await keys(store, 'd/'), ['d/c'])
    await store.put('d/a', text('again'), { condition: { ifAbsent: true } })
    assert.equal(read((await found(store, 'd/a')).bytes), 'again')
  })

  promise('an aborted signal stops an operation with cancelled', async (store) => {
    const signal = AbortSignal.abort()
    await rejects(store.get('key', { signal }), 'cancelled')
    await rejects(store.put('key', text('x'), { signal }), 'cancelled')
    assert.equal((await store.get('key')).kind, 'absent')
  })
}

function testConditions(promise: Declare): void {
  promise('put if absent writes once', async (store) => {
    await store.put('key', text('first'), { condition: { ifAbsent: true } })
    await rejects(store.put('key', text('second'), { condition: { ifAbsent: true } }), 'conflict')
    assert.equal(read((await found(store, 'key')).bytes), 'first')
  })

  promise('put if match replaces just that version', async (store) => {
    const first = await store.put('key', text('1'), { condition: { ifAbsent: true } })
    const second = await store.put('key', text('2'), { condition: { ifMatch: first.etag } })
    await rejects(store.put('key', text('3'), { condition: { ifMatch: first.etag } }), 'conflict')
    await rejects(store.put('absent', text('3'), { condition: { ifMatch: first.etag } }), 'conflict')
    assert.equal((await found(store, 'key')).etag, second.etag)
    for (let i = 0, { etag } = second; i < 30; i++)
      ({ etag } = await store.put('key', text(`${i} more`), { condition: { ifMatch: etag } }))
    assert.equal(read((await found(store, 'key')).bytes), '29 more')
  })

  promise('of 16 writers that create a key, exactly one wins, in every round', async (store) => {
    for (let round = 0; round < 12; round++) {
      const results = await Promise.allSettled(
        Array.from({ length: 16 }, (_, i) =>
          store.put(`race/${round}`, text(`${i}`), { condition: { ifAbsent: true } }),
        ),
      )
      const winner = onlyWinner(results)
      assert.equal(read((await found(store, `race/${round}`)).bytes), `${winner}`)
    }
  })

  promise('of 16 writers that replace a version, exactly one wins, in every round', async (store) => {
    let { etag } = await store.put('race', text('start'))
    for (let round = 0; round < 12; round++) {
      const results = await Promise.allSettled(
        Array.from({ length: 16 }, (_, i) =>
          store.put('race', text(`${round}: ${i}`), { condition: { ifMatch: etag } }),
        ),
      )
      const winner = onlyWinner(results)
      const object = await found(store, 'race')
      assert.equal(read(object.bytes), `${round}: ${winner}`)
      etag = object.etag
    }
  })
}

function testListing(promise: Declare): void {
  promise('list is in UTF-8 byte order, within the prefix, after startAfter', async (store) => {
    const all = [
      'l/a',
      'l/a-b',
      'l/a.b/c',
      'l/a0',
      'l/ab-c',
      'l/ab.c',
      'l/ab/c',
      'l/ab/d/e',
      'l/ab0',
      'l/b',
      'l/\uE000',
      'l/\u{1F600}',
      'm',
    ]
    for (const key of [...all].reverse()) await store.put(key, text(key))
    const expected = all.slice(0, -1)
    assert.deepEqual(await keys(store, 'l/'), expected)
    assert.deepEqual(await keys(store, 'l/a'), expected.slice(0, 9))
    assert.deepEqual(await keys(store, 'l/ab/'), ['l/ab/c', 'l/ab/d/e'])
    assert.deepEqual(await keys(store, 'nothing/'), [])
    for (let i = 0; i < expected.length; i++)
      assert.deepEqual(await keys(store, 'l/', expected[i]), expected.slice(i + 1))
    assert.deepEqual(await keys(store, 'l/', 'l/ab/cc'), expected.slice(7))
    assert.deepEqual(await keys(store, ''), all)
  })

  promise('list shows sizes, and a write or delete before it', async (store) => {
    await store.put('s/a', text('12345'))
    await store.put('s/b', text('1'))
    await store.put('s/b', text('22'))
    await store.delete(['s/a'])
    const listed: [string, number][] = []
    for await (const { key, size } of store.list('s/')) listed.push([key, size])
    assert.deepEqual(listed, [['s/b', 2]])
  })

  promise('an etag that a listing tells is that of the object as it is now', async (store) => {
    for (const value of ['one', 'two']) {
      await store.put('key', text(value))
      for await (const { etag } of store.list('')) if (etag !== undefined) assert.equal(etag, (await found(store, 'key')).etag)
    }
  })

  promise('list goes on past a page of 1,000', async (store) => {
    const all = Array.from({ length: 1234 }, (_, i) => `p/${String(i).padStart(5, '0')}`)
    for (let i = 0; i < all.length; i += 50)
      await Promise.all(all.slice(i, i + 50).map((key) => store.put(key, text('x'))))
    assert.deepEqual(await keys(store, 'p/'), all)
    assert.deepEqual(await keys(store, 'p/', 'p/01200'), all.slice(1201))
    await store.delete(all)
    assert.deepEqual(await keys(store, 'p/'), [])
  })
}

function testKeys(promise: Declare): void {
  promise('odd keys are kept apart', async (store) => {
    const odd = [
      'k/with space',
      'k/with+plus',
      'k/with%20percent',
      'k/UPPER',
      'k/upper',
      'k/ünïcode',
      'k/עברית',
      'k/?query=1&x',
      'k/#hash',
      'k/quote\'"',
      'k/a=b,c',
      'k/con',
      'k/.hidden',
      'k/end.',
      'k/~tilde~v',
      `k/${'p'.repeat(200)}`,
      `k/${'deep/'.repeat(200)}end`,
    ]
    await keepsApart(store, odd)
  })

  promise('parts of a key up to 1,000 bytes are kept apart', async (store) => {
    await keepsApart(store, [
      `k/${'long'.repeat(120)}`,
      `k/${'long'.repeat(120)}x`,
      `k/${'é'.repeat(500)}`,
      `k/${'A'.repeat(250)}/b`,
    ])
  })

  promise('a key that cannot be is refused by name', async (store) => {
    for (const key of ['', '/a', 'a/', 'a//b', 'a/../b', '.', 'x'.repeat(1025)]) {
      await rejects(store.put(key, text('x')), 'invalid')
      await rejects(store.get(key), 'invalid')
    }
  })
}

async function keepsApart(store: ObjectStore, odd: string[]): Promise<void> {
  for (const key of odd) await store.put(key, text(key))
  for (const key of odd) assert.equal(read((await found(store, key)).bytes), key)
  assert.deepEqual(new Set(await keys(store, 'k/')), new Set(odd))
  for (const key of odd) await store.put(key, text(`${key} again`))
  for (const key of odd) assert.equal(read((await found(store, key)).bytes), `${key} again`)
  await store.delete(odd)
  assert.deepEqual(await keys(store, 'k/'), [])
}

function testStreams(promise: Declare): void {
  promise('upload writes a stream of any size, all or nothing', async (store) => {
    if (!store.upload) return
    const part = new Uint8Array(3_000_000).fill(7)
    await store.upload(
      'stream',
      (async function* () {
        for (let i = 0; i < 5; i++) yield part
      })(),
    )
    assert.equal((await store.head('stream'))?.size, 15_000_000)
    const broken = store.upload(
      'broken',
      (async function* () {
        yield part
        throw new Error('source failed')
      })(),
    )
    await assert.rejects(broken)
    assert.equal(await store.head('broken'), null)
  })

  promise('a presigned URL allows one method on one key', async (store) => {
    if (!store.presign) return
    await store.put('signed', text('content'))
    const url = await store.presign('signed', { method: 'GET', expiresInSeconds: 60 })
    assert.equal(await (await fetch(url)).text(), 'content')
    assert.ok((await fetch(url, { method: 'DELETE' })).status >= 400)
  })
}

async function found(
  store: ObjectStore,
  key: string,
  options?: Parameters<ObjectStore['get']>[1],
): Promise<StoredObject> {
  const answer = await store.get(key, options)
  assert.equal(answer.kind, 'found', `${key} is ${answer.kind}`)
  return answer
}

async function keys(store: ObjectStore, prefix: string, startAfter?: string): Promise<string[]> {
  const listed: string[] = []
  for await (const { key } of store.list(prefix, startAfter === undefined ? {} : { startAfter })) listed.push(key)
  return listed
}

async function rejects(promise: Promise<unknown>, kind: ErrorKind): Promise<void> {
  await assert.rejects(promise, (error) => isWindlassError(error, kind))
}

function onlyWinner(results: readonly PromiseSettledResult<unknown>[]): number {
  const winners = results.flatMap((result, i) => (result.status === 'fulfilled' ? [i] : []))
  for (const result of results)
    if (result.status === 'rejected') assert.ok(isWindlassError(result.reason, 'conflict'), String(result.reason))
  assert.equal(winners.length, 1)
  return winners[0]!
}
