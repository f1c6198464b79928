import { describe, expect, test } from 'vitest'
import { isWindlassError } from '../base/errors.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { parseFilter } from './query/filter.ts'
import { newDatabase, schema } from './testing.ts'

describe('a collection', () => {
  test('returns what was put, before and after a flush, and from another process', async () => {
    const store = new MemoryStore()
    const writer = newDatabase(store)
    const notes = await writer.create('notes', schema())
    const row = { key: 'a', vector: [1, 2, 3], metadata: { n: 1, big: 5n, tags: ['x', 'y'] }, document: 'hello world' }
    await notes.write({ operations: [{ op: 'put', row }] })
    for (const step of ['log', 'segment'] as const) {
      if (step === 'segment') expect(await notes.flush()).toBe(true)
      for (const database of [writer, newDatabase(store)]) {
        const collection = await database.collection('notes')
        const [found] = await collection.get(['a'], { include: { vector: true, metadata: true, document: true } })
        expect(found, step).toMatchObject({ key: 'a', metadata: row.metadata, document: 'hello world' })
        expect([...found!.vector!]).toEqual([1, 2, 3])
      }
    }
  })

  test('shows a write to every process at its next strong read', async () => {
    const store = new MemoryStore()
    const a = await newDatabase(store).create('c', schema())
    const b = await newDatabase(store).collection('c')
    for (let i = 0; i < 20; i++) {
      const [writer, reader] = i % 2 ? [a, b] : [b, a]
      await writer.write({ operations: [{ op: 'put', row: { key: `k${i}`, vector: [i, 1, 1] } }] })
      expect(await reader.count()).toBe(i + 1)
      if (i % 5 === 4) await writer.flush()
    }
  })

  test('replaces a flushed row, deletes it, and counts right through flushes', async () => {
    const store = new MemoryStore()
    const c = await newDatabase(store).create('c', schema())
    await c.write({ operations: ['a', 'b', 'c'].map((key) => ({ op: 'put' as const, row: { key, vector: [1, 0, 0] } })) })
    await c.flush()
    await c.write({ operations: [{ op: 'put', row: { key: 'b', vector: [0, 1, 0] } }, { op: 'delete', key: 'c' }] })
    expect(await c.count()).toBe(2)
    await c.flush()
    for (const database of [newDatabase(store), newDatabase(store)]) {
      const again = await database.collection('c')
      expect(await again.count()).toBe(2)
      const { matches } = await again.query({ vector: [0, 1, 0], k: 10 })
      expect(matches.map(({ key }) => key)).toEqual(['b', 'a'])
      expect(matches[0]!.distance).toBeCloseTo(0, 6)
    }
  })

  test('lists in order of insertion, an upsert keeps its place, pages are stable under writes', async () => {
    const c = await newDatabase(new MemoryStore()).create('c', schema())
    for (let i = 0; i < 7; i++) await c.write({ operations: [{ op: 'put', row: { key: `k${i}`, vector: [1, 0, 0] } }] })
    await c.flush()
    await c.write({ operations: [{ op: 'put', row: { key: 'k2', vector: [0, 0, 1] } }] })
    const first = await c.list({ limit: 3 })
    expect(first.rows.map(({ key }) => key)).toEqual(['k0', 'k1', 'k2'])
    await c.write({ operations: [{ op: 'put', row: { key: 'new', vector: [1, 1, 1] } }, { op: 'delete', key: 'k3' }] })
    await c.flush()
    const second = await c.list({ limit: 3, after: first.next! })
    expect(second.rows.map(({ key }) => key)).toEqual(['k4', 'k5', 'k6'])
    const third = await c.list({ limit: 3, after: second.next! })
    expect(third.rows.map(({ key }) => key)).toEqual(['new'])
    expect(third.next).toBeUndefined()
  })

  test('keeps a condition: of two writers on one version exactly one wins', async () => {
    const store = new MemoryStore()
    const a = await newDatabase(store).create('c', schema())
    const b = await newDatabase(store).collection('c')
    await a.write({ operations: [{ op: 'put', row: { key: 'x', metadata: { n: 0 } } }] })
    for (let round = 0; round < 10; round++) {
      const [row] = await a.get(['x'], {})
      const condition = { key: 'x', version: row!.version }
      const outcomes = await Promise.allSettled(
        [a, b, a, b].map((collection, i) => collection.write({ operations: [{ op: 'put', row: { key: 'x', metadata: { n: round * 10 + i } } }], conditions: [condition] })),
      )
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const outcome of outcomes) if (outcome.status === 'rejected') expect(isWindlassError(outcome.reason, 'conflict')).toBe(true)
    }
  })

  test('one failing batch of a group commit does not fail the others', async () => {
    const c = await newDatabase(new MemoryStore()).create('c', schema())
    await c.write({ operations: [{ op: 'put', row: { key: 'first', vector: [1, 2, 3] } }] })
    const results = await Promise.allSettled([
      c.write({ operations: [{ op: 'put', row: { key: 'good', vector: [1, 2, 3] } }] }),
      c.write({ operations: [{ op: 'put', row: { key: 'half', vector: [1, 2, 3] } }, { op: 'put', row: { key: 'bad', vector: [1, 2] } }] }),
      c.write({ operations: [{ op: 'put', row: { key: 'good2', vector: [3, 2, 3] } }] }),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(results[1]).toMatchObject({ reason: { message: expect.stringMatching(/dimension 2, the collection has 3/) } })
    expect((await c.list()).rows.map(({ key }) => key)).toEqual(['first', 'good', 'good2'])
  })

  test('patches, puts only if absent, deletes by filter, all in their order in the batch', async () => {
    const c = await newDatabase(new MemoryStore()).create('c', schema())
    const result = await c.write({
      operations: [
        { op: 'put', row: { key: 'a', metadata: { n: 1, keep: true }, document: 'text' } },
        { op: 'put', row: { key: 'a', metadata: { n: 9 } }, ifAbsent: true },
        { op: 'patch', key: 'a', metadata: { n: 2, added: 'x' } },
        { op: 'patch', key: 'nobody', metadata: { n: 2 } },
        { op: 'put', row: { key: 'b', metadata: { n: 5 } } },
        { op: 'delete-where', filter: parseFilter({ n: { $gt: 4 } }) },
      ],
    })
    expect(result).toMatchObject({ putCount: 3, skippedCount: 2, deletedCount: 1 })
    const [a, b] = await c.get(['a', 'b'], { include: { metadata: true, document: true } })
    expect(a).toMatchObject({ metadata: { n: 2, keep: true, added: 'x' }, document: 'text' })
    expect(b).toBeNull()
  })

  test('refuses bad input by name, and writes nothing', async () => {
    const c = await newDatabase(new MemoryStore()).create('c', schema({ dimension: 3 }))
    const bad: [object, RegExp][] = [
      [{ key: 'x', vector: [1, 2] }, /"x" has dimension 2, the collection has 3/],
      [{ key: 'x', vector: [1, NaN, 3] }, /NaN at position 1/],
      [{ key: 'x', vector: [1, Infinity, 3] }, /Infinity at position 1/],
      [{ key: '', vector: [1, 2, 3] }, /key is empty/],
      [{ key: 'k'.repeat(1025) }, /1025 bytes, at most 1024/],
      [{ key: 'x', metadata: { text: 'm'.repeat(41_000) } }, /metadata of "x" has \d+ bytes, at most 40960/],
      [{ key: '\ud800', vector: [1, 2, 3] }, /surrogate/],
      [{ key: 'x', document: 'half \ud800 pair' }, /document of "x" holds half a surrogate pair/],
    ]
    for (const [row, message] of bad) {
      await expect(c.write({ operations: [{ op: 'put', row: row as { key: string } }] }), JSON.stringify(row).slice(0, 50)).rejects.toThrow(message)
    }
    expect(await c.count()).toBe(0)
    await expect(c.query({ vector: [1, 2], k: 1 })).rejects.toThrow(/dimension 2, the collection has 3/)
    await expect(c.query({ vector: [1, 2, 3], k: 0 })).rejects.toThrow(/k is 0/)
  })

  test('a log object copied from another collection is damage, never content', async () => {
    const store = new MemoryStore()
    const database = newDatabase(store)
    const [a, b] = [await database.create('a', schema()), await database.create('b', schema())]
    await a.write({ operations: [{ op: 'put', row: { key: 'x' } }] })
    const name = 'log/00000000000000000001'
    const copied = await store.get(`data/${a.id}/${name}`)
    await store.put(`data/${b.id}/${name}`, copied.kind === 'found' ? copied.bytes : new Uint8Array(0))
    await expect(b.count()).rejects.toThrow(/belongs to collection/)
  })

  test('a dropped name answers not-found everywhere, and a new collection of that name is empty', async () => {
    const store = new MemoryStore()
    const a = newDatabase(store)
    const b = newDatabase(store)
    const old = await a.create('c', schema())
    await old.write({ operations: [{ op: 'put', row: { key: 'x' } }] })
    const seen = await b.collection('c')
    expect(await seen.count()).toBe(1)
    await a.drop('c')
    await expect(seen.count()).rejects.toThrow(/dropped/)
    await expect(seen.write({ operations: [{ op: 'put', row: { key: 'y' } }] })).rejects.toThrow(/dropped/)
    await expect(b.collection('c')).rejects.toThrow(/no collection "c"/)
    await a.create('c', schema())
    expect(await b.with('c', (collection) => collection.count())).toBe(0)
    expect((await a.catalog.list({})).names).toEqual(['c'])
  })
})

describe('a query', () => {
  test('agrees between log and segment, with filter, text, vector and both', async () => {
    const c = await newDatabase(new MemoryStore()).create('c', schema())
    const texts = ['the quick brown fox', 'a lazy dog sleeps', 'foxes and dogs play', 'quick quick thinking', 'silence']
    await c.write({ operations: texts.map((document, i) => ({ op: 'put' as const, row: { key: `t${i}`, vector: [i, 1, 5 - i], metadata: { even: i % 2 === 0, i }, document } })) })
    const ask = () =>
      Promise.all([
        c.query({ vector: [1, 0, 0], k: 3 }),
        c.query({ text: 'quick fox', k: 3 }),
        c.query({ vector: [1, 0, 0], text: 'quick fox', k: 5 }),
        c.query({ vector: [1, 0, 0], k: 3, filter: parseFilter({ even: true }) }),
        c.query({ vector: [1, 0, 0], text: 'dog', k: 5, fusion: { method: 'reciprocal-rank' }, filter: parseFilter({ i: { $lt: 3 } }) }),
      ])
    const fromLog = await ask()
    await c.flush()
    const fromSegment = await ask()
    expect(fromSegment.map(({ matches }) => matches.map(({ key }) => key))).toEqual(fromLog.map(({ matches }) => matches.map(({ key }) => key)))
    fromLog.forEach(({ matches }, q) => matches.forEach(({ score }, i) => expect(fromSegment[q]!.matches[i]!.score).toBeCloseTo(score, 5)))
    expect(fromLog[1]!.matches[0]!.key).toBe('t0')
    expect(fromLog[3]!.matches.map(({ key }) => key)).toEqual(['t4', 't2', 't0'])
    expect(fromLog[4]!.matches.every(({ key }) => ['t0', 't1', 't2'].includes(key))).toBe(true)
  })

  test('superseded rows never crowd out live ones', async () => {
    const c = await newDatabase(new MemoryStore()).create('c', schema())
    const puts = (value: number) => Array.from({ length: 50 }, (_, i) => ({ op: 'put' as const, row: { key: `k${i}`, vector: [1, value * (i + 1), 0] } }))
    await c.write({ operations: puts(0.001) })
    await c.flush()
    await c.write({ operations: puts(1000).slice(0, 45) })
    const { matches } = await c.query({ vector: [1, 0, 0], k: 10 })
    expect(matches).toHaveLength(10)
    expect(new Set(matches.map(({ key }) => key)).size).toBe(10)
    expect(matches.slice(0, 5).map(({ key }) => key)).toEqual(['k45', 'k46', 'k47', 'k48', 'k49'])
  })
})
