import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemRandom } from '../../src/base/random.ts'
import { parseFilter, type Filter } from '../../src/engine/query/filter.ts'
import { conformanceDimension, conformanceModel, testDestination } from '../../src/testing/destination-conformance.ts'
import type { ChunkQuery } from '../../src/vectorize/destinations/destination.ts'
import { DocumentsTable } from '../../src/vectorize/postgres/documents-table.ts'
import { PgvectorDestination, type PgvectorOptions } from '../../src/vectorize/postgres/pgvector-destination.ts'
import { startTestDatabase, type TestDatabase } from './test-database.ts'

let db: TestDatabase
beforeAll(async () => {
  db = await startTestDatabase()
})
afterAll(() => db.stop())

const open = (vectorizer = 'docs', options: Partial<PgvectorOptions> = {}) => new PgvectorDestination({ ...db.database, close: () => Promise.resolve() }, vectorizer, { table: 'passages', random: systemRandom, ...options })

describe('a table of pgvector keeps what destinations promise', () => {
  testDestination(test, async () => {
    await db.reset()
    return {
      open: (vectorizer) => Promise.resolve(open(vectorizer)),
      contents: async (path) => (await db.rows('select chunk from passages where path = $1 order by chunk_seq', [path])).map(({ chunk }) => String(chunk)),
    }
  })
})

async function put(destination: PgvectorDestination, path: string, parts: readonly string[], metadata: Record<string, unknown> = {}): Promise<void> {
  const writer = await destination.begin({ path, sha256: path, sizeBytes: 1, format: 'text', title: `title of ${path}`, metadata: metadata as never })
  await writer.write(parts.map((text, index) => ({ chunk: { index, text, embeddingText: text, headingPath: ['Head'], page: index + 1, tokenCount: 1 }, text, hash: '', vector: vectorOf(text) })))
  await writer.commit()
}

/** How often the letters a to h come, of length 1. */
function vectorOf(text: string): Float32Array {
  const counts = Float32Array.from('abcdefgh', (letter) => text.split(letter).length - 1)
  const norm = Math.hypot(...counts) || 1
  return counts.map((count) => count / norm)
}

const prepared = async (options: Partial<PgvectorOptions> = {}, vectorizer = 'docs') => {
  const destination = open(vectorizer, options)
  await destination.prepare({ dimension: conformanceDimension, model: conformanceModel })
  return destination
}

describe.each(['none', 'hnsw'] as const)('searching, with index %s', (index) => {
  let destination: PgvectorDestination
  const found = async (query: Partial<ChunkQuery>) => (await destination.search({ k: 10, ...query })).map(({ path, text }) => `${path} ${text}`)

  beforeAll(async () => {
    await db.reset()
    destination = await prepared({ index })
    await put(destination, 'a.md', ['aaa apple', 'abc cab'], { kind: 'fruit', n: 1, tags: ['x', 'y'] })
    await put(destination, 'b.md', ['bbb'], { kind: 'other', n: 2 })
    await put(destination, 'deep/h.md', ['hhh zooky zooky'], { kind: 'fruit', n: 10 })
    await put(destination, 'zero.md', ['xyz zooky'], {})
    await put(await prepared({ index }, 'other'), 'theirs.md', ['aaa apple'])
  })

  test('by meaning: the nearest first, with what is known of it', async () => {
    const [best, second] = await destination.search({ vector: vectorOf('aaa'), k: 2 })
    expect(best).toMatchObject({ path: 'a.md', title: 'title of a.md', text: 'aaa apple', place: { index: 0, headingPath: ['Head'], page: 1 }, metadata: { kind: 'fruit', tags: ['x', 'y'] } })
    expect(best!.distance).toBeCloseTo(1 - vectorOf('aaa apple')[0]!, 5)
    expect(best!.score).toBe(-best!.distance!)
    expect(second!.text).toBe('abc cab')
    expect(await found({ vector: vectorOf('aaa') })).not.toContain('theirs.md aaa apple')
    expect(await found({ vector: vectorOf('aaa') })).not.toContain('zero.md xyz zooky')
  })

  test('by words: any of them', async () => {
    expect(await found({ text: 'Zooky & "apple' })).toHaveLength(3)
    expect(await found({ text: 'nothing' })).toEqual([])
    expect(await found({ text: "it's (a ! | test:*" })).toEqual([])
  })

  test('by both: what either found, scored by both', async () => {
    const matches = await destination.search({ vector: vectorOf('hhh'), text: 'zooky', k: 10 })
    expect(matches[0]).toMatchObject({ path: 'deep/h.md' })
    expect(matches.map(({ path }) => path)).toContain('zero.md')
    expect(matches.find(({ path }) => path === 'zero.md')).not.toHaveProperty('distance')
    const ranked = await destination.search({ vector: vectorOf('hhh'), text: 'zooky', k: 10, fusion: { method: 'reciprocal-rank' } })
    expect(ranked[0]).toMatchObject({ path: 'deep/h.md' })
  })

  test.each([
    [{ kind: 'fruit' }, ['a.md', 'deep/h.md']],
    [{ kind: { $ne: 'fruit' } }, ['b.md']],
    [{ n: { $gt: 1 } }, ['b.md', 'deep/h.md']],
    [{ tags: 'y' }, ['a.md']],
    [{ source: 'b.md' }, ['b.md']],
    [{ source: { $in: ['b.md', 'deep/h.md'] } }, ['b.md', 'deep/h.md']],
    [{ $or: [{ n: 1 }, { kind: 'other' }] }, ['a.md', 'b.md']],
    [{ $not: { kind: 'fruit' } }, ['b.md']],
    [{ page: 2 }, ['a.md']],
    [{ 'a"b\'c\\': 'it\'s \\' }, []],
    [{ $or: [{ n: 1 }, { page: 1, kind: 'other' }] }, ['a.md', 'b.md']],
    [{ $or: [{ n: { $lte: 1 } }, { page: 2 }] }, ['a.md']],
  ])('where %j', async (where, paths) => {
    const all = await destination.search({ vector: vectorOf('abcdefgh'), k: 10, filter: parseFilter(where) })
    expect([...new Set(all.map(({ path }) => path))].sort()).toEqual(paths)
  })

  test('where a text begins so, or a number is a whole one', async () => {
    const paths = async (filter: Filter) => (await destination.search({ vector: vectorOf('abcdefgh'), k: 10, filter })).map(({ path }) => path)
    expect(await paths({ op: 'startsWith', key: 'source', value: 'deep/' })).toEqual(['deep/h.md'])
    expect(new Set(await paths({ op: 'startsWith', key: 'kind', value: 'fr' }))).toEqual(new Set(['a.md', 'deep/h.md']))
    expect(await paths({ op: 'eq', key: 'n', value: 2n })).toEqual(['b.md'])
  })

  test('finds and lists documents with their facts', async () => {
    expect(await destination.find('b.md')).toMatchObject({ path: 'b.md', sha256: 'b.md', facts: { title: 'title of b.md', chunkCount: 1, model: conformanceModel, metadata: { kind: 'other', n: 2 } } })
    expect(await destination.find('theirs.md')).toBeNull()
    const paths: string[] = []
    for await (const { path } of destination.documents()) paths.push(path)
    expect(paths).toEqual(['a.md', 'b.md', 'deep/h.md', 'zero.md'])
  })
})

test('a filter that leaves few is asked for more until there are enough', async () => {
  await db.reset()
  const destination = await prepared()
  const writer = await destination.begin({ path: 'many.md', sha256: '', sizeBytes: 1, metadata: { } })
  await writer.write(Array.from({ length: 600 }, (_, index) => ({ chunk: { index, text: 'a', embeddingText: 'a', headingPath: [], tokenCount: 1 }, text: `a ${index}`, hash: '', vector: vectorOf('a'.repeat(600 - index) + 'b'.repeat(index)) })))
  await writer.commit()
  // Conditions on places are not told to Postgres.
  const matches = await destination.search({ vector: vectorOf('a'), k: 3, filter: parseFilter({ chunk: { $gte: 590 } }) })
  expect(matches.map(({ place }) => place.index)).toEqual([590, 591, 592])
})

describe('a table of documents is kept in step', () => {
  beforeEach(() => db.reset())

  test('with title, URI and time', async () => {
    const documents = new DocumentsTable({ table: 'document', uri: 'uri', title: 'title', updatedAt: 'updated_at', prefix: 's3://acme/' })
    const destination = await prepared({ documents })
    await put(destination, 'guide/intro.md', ['a'])
    await put(destination, 'b.md', ['b'])
    expect(await db.rows('select title, uri from document order by uri')).toEqual([{ title: 'b.md', uri: 's3://acme/b.md' }, { title: 'intro.md', uri: 's3://acme/guide/intro.md' }])
    await db.rows(`update document set title = 'Mine', updated_at = 'epoch' where uri like '%b.md'`)
    await put(destination, 'b.md', ['bb'])
    await destination.remove('guide/intro.md')
    expect(await db.rows('select title, uri, updated_at > now() - interval \'1 hour\' as is_fresh from document')).toEqual([{ title: 'Mine', uri: 's3://acme/b.md', is_fresh: true }])
  })

  test('also one that is there, by its own names', async () => {
    await db.rows('create table files (id serial primary key, name text, "Location" text unique, seen timestamptz, note text)')
    const destination = await prepared({ documents: new DocumentsTable({ table: 'files', uri: 'Location', title: 'name', updatedAt: 'seen' }) })
    await put(destination, 'a.md', ['a'])
    expect(await db.rows('select id, name, "Location", note from files')).toEqual([{ id: 1, name: 'a.md', Location: 'a.md', note: null }])
  })

  test('and with the chunks: what fails changes neither', async () => {
    await db.rows('create table files (uri text unique check (uri <> \'bad.md\'), title text, updated_at timestamptz)')
    const destination = await prepared({ documents: new DocumentsTable({ table: 'files', uri: 'uri', title: 'title', updatedAt: 'updated_at' }) })
    await expect(put(destination, 'bad.md', ['a'])).rejects.toThrow(/check constraint/)
    expect(await db.rows('select path from passages')).toEqual([])
    expect(await destination.find('bad.md')).toBeNull()
    await db.rows(`create or replace function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused at the end'; end $$`)
    await db.rows('create constraint trigger refuse after insert on passages_store deferrable initially deferred for each row execute function refuse()')
    await expect(put(destination, 'a.md', ['a'])).rejects.toThrow('refused at the end')
    expect(await db.rows('select uri from files')).toEqual([])
  })
})

describe('tables that are there', () => {
  beforeEach(() => db.reset())

  test('of another model are refused', async () => {
    await put(await prepared(), 'a.md', ['a'])
    await expect(open().prepare({ dimension: conformanceDimension, model: 'another' })).rejects.toThrow(/holds vectors of conformance, which those of another cannot be compared with/)
  })

  test('of another shape are refused by what they lack', async () => {
    await db.rows('create table passages_store (id int, embedding vector(8))')
    await expect(prepared()).rejects.toThrow(/lacks embedding_uuid, vectorizer, path, chunk_seq, chunk, place/)
  })

  test('what killed writers left is swept a day later', async () => {
    const destination = await prepared()
    const writer = await destination.begin({ path: 'big.md', sha256: '', sizeBytes: 1, metadata: {} })
    await writer.write(Array.from({ length: 600 }, (_, index) => ({ chunk: { index, text: 'a', embeddingText: 'a', headingPath: [], tokenCount: 1 }, text: 'a', hash: '', vector: vectorOf('a') })))
    expect(await db.rows('select count(*)::int as n from passages_staging')).toEqual([{ n: 600 }])
    await prepared()
    expect(await db.rows('select count(*)::int as n from passages_staging')).toEqual([{ n: 600 }])
    await db.rows(`update passages_staging set staged_at = now() - interval '25 hours'`)
    await prepared()
    expect(await db.rows('select count(*)::int as n from passages_staging')).toEqual([{ n: 0 }])
  })
})

test('names in other schemas, and with other letters', async () => {
  await db.reset()
  await db.rows('drop schema if exists "Odd ""one" cascade')
  const destination = await prepared({ table: '"Odd ""one"."My view"' })
  await put(destination, 'a.md', ['a'])
  expect(destination.name).toBe('pgvector:Odd "one.My view')
  expect(await db.rows('select chunk, title from "Odd ""one"."My view"')).toEqual([{ chunk: 'a', title: 'title of a.md' }])
  await db.rows('drop schema "Odd ""one" cascade')
})
