import { beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { seededRandom } from '../base/random.ts'
import { loadStaticModel } from '../embed/load-static-model.ts'
import { newDatabase, schema } from '../engine/testing.ts'
import type { EngineCollection } from '../engine/collection.ts'
import type { StaticModel } from '../embed/static-model.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { DocumentIndex, type SourceDocument } from './document-index.ts'
import { searchPassages } from './passage-search.ts'

const model: StaticModel = await loadStaticModel()
const components = { model, clock: systemClock, random: seededRandom(1) }
let collection: EngineCollection
let documents: DocumentIndex

beforeEach(async () => {
  collection = await newDatabase(new MemoryStore()).create('docs', schema())
  documents = new DocumentIndex(collection, components)
})

const file = (source: string, text: string, more: Partial<SourceDocument> = {}): SourceDocument => ({
  source,
  ...more,
  open: async function* () {
    yield new TextEncoder().encode(text)
  },
})
const chunkTexts = async () => (await collection.list({ limit: 1000, include: { document: true } })).rows.map(({ document }) => document)
const sections = (round: number, count: number) => Array.from({ length: count }, (_, i) => `## Section ${i}\n\nRound ${round} of section ${i}.\n`).join('\n')

describe('index', () => {
  test('an unchanged file costs no write, a changed one replaces all its chunks in one commit', async () => {
    expect(await documents.index(file('a.md', sections(1, 5)))).toMatchObject({ status: 'new', chunkCount: 5 })
    const { logSequence } = await collection.stats()
    expect(await documents.index(file('a.md', sections(1, 5)))).toMatchObject({ status: 'unchanged' })
    expect((await collection.stats()).logSequence).toBe(logSequence)
    expect(await documents.index(file('a.md', sections(2, 3)))).toMatchObject({ status: 'changed', chunkCount: 3 })
    expect((await collection.stats()).logSequence).toBe(logSequence + 1)
    expect(await chunkTexts()).toEqual([0, 1, 2].map((i) => `Section ${i}\n\nRound 2 of section ${i}.`))
  })

  test('metadata that changed is stored though the bytes did not change', async () => {
    await documents.index(file('a.md', 'x', { metadata: { year: 1 } }))
    expect(await documents.index(file('a.md', 'x', { metadata: { year: 2 } }))).toMatchObject({ status: 'changed' })
    expect((await collection.list({ include: { metadata: true } })).rows[0]!.metadata).toMatchObject({ year: 2 })
  })

  test('a search never sees old and new chunks of a file together', async () => {
    await documents.index(file('a.md', sections(0, 8)))
    let writing = true
    const rounds = new Set<string>()
    const reader = async () => {
      while (writing) {
        const passages = await searchPassages(collection, documents, model, 'section', { k: 50 })
        const seen = new Set(passages.map(({ text }) => /Round (\d+)/.exec(text)![1]!))
        expect([...seen]).toHaveLength(1)
        expect(passages).toHaveLength(8)
        for (const round of seen) rounds.add(round)
      }
    }
    const readers = [reader(), reader()]
    for (let round = 1; round <= 15; round++) await documents.index(file('a.md', sections(round, 8)))
    writing = false
    await Promise.all(readers)
    expect(rounds.size).toBeGreaterThan(2)
  })

  test('two that replace one file at once: one of them stands, whole', async () => {
    const other = new DocumentIndex(collection, { ...components, random: seededRandom(2) })
    for (let round = 0; round < 10; round++) {
      await Promise.all([documents.index(file('a.md', sections(round * 2, 4))), other.index(file('a.md', sections(round * 2 + 1, 6)))])
      const found = await chunkTexts()
      const seen = new Set(found.map((text) => /Round (\d+)/.exec(text!)![1]))
      expect(seen.size).toBe(1)
      expect(found).toHaveLength(Number([...seen][0]) % 2 === 0 ? 4 : 6)
      expect(await documents.find('a.md')).toMatchObject({ chunkCount: found.length })
    }
  })

  test('a file that can no longer be read is listed as failed, and its old chunks go on answering', async () => {
    await documents.index(file('notes.json', '{"text": "The lantern burns."}'))
    await expect(documents.index(file('notes.json', '{"text": '))).rejects.toMatchObject({ kind: 'invalid' })
    expect(await documents.find('notes.json')).toMatchObject({ state: 'failed', error: expect.stringContaining('JSON') })
    expect(await searchPassages(collection, documents, model, 'lantern', {})).toHaveLength(1)
    // Once it can be read again it is changed, also when its bytes are the old ones.
    expect(await documents.index(file('notes.json', '{"text": "The lantern burns."}'))).toMatchObject({ chunkCount: 1 })
    expect(await documents.find('notes.json')).toMatchObject({ state: 'indexed', error: undefined })
    expect(await chunkTexts()).toHaveLength(1)
  })

  test('an empty file is a document without chunks', async () => {
    expect(await documents.index(file('__init__.py', ''))).toMatchObject({ status: 'new', chunkCount: 0 })
    expect(await documents.find('__init__.py')).toMatchObject({ state: 'indexed', chunkCount: 0 })
  })

  test('an interrupted store leaves the old file as it was', async () => {
    await documents.index(file('a.md', sections(1, 3)))
    const breaking = file('a.md', sections(2, 3))
    const broken = { ...breaking, open: () => failingStream() }
    await expect(documents.index(broken)).rejects.toThrow('cable')
    expect(await documents.find('a.md')).toMatchObject({ state: 'indexed', chunkCount: 3 })
    expect((await chunkTexts())[0]).toContain('Round 1')
  })

  test('metadata may not use our names', async () => {
    await expect(documents.index(file('a.md', 'x', { metadata: { source: 'y' } }))).rejects.toMatchObject({ kind: 'invalid', details: { path: 'metadata.source' } })
  })
})


async function* failingStream(): AsyncIterable<Uint8Array> {
  throw new Error('the cable was cut')
}

describe('a file too large for one commit', () => {
  const large = (round: number) => Array.from({ length: 2600 }, (_, i) => `## Part ${i}\n\nRound ${round} says ${`word${i % 50} `.repeat(200)}\n`).join('\n')

  test('is found whole, replaced whole, removed whole', { timeout: 120_000 }, async () => {
    const first = await documents.index(file('large.md', large(1)))
    expect(first.chunkCount).toBeGreaterThan(2000)
    expect((await documents.find('large.md'))!.generation).toBeDefined()
    expect(await collection.count()).toBe(first.chunkCount)
    await documents.index(file('large.md', large(2)))
    const passages = await searchPassages(collection, documents, model, 'round says word7', { k: 20 })
    expect(passages).toHaveLength(20)
    expect(passages.every(({ text }) => text.includes('Round 2'))).toBe(true)
    expect(await collection.count()).toBe(first.chunkCount)
    expect(await documents.index(file('large.md', 'small now'))).toMatchObject({ status: 'changed', chunkCount: 1 })
    expect(await collection.count()).toBe(1)
    await documents.index(file('large.md', large(3)))
    expect(await documents.remove('large.md')).toBe(true)
    expect(await collection.count()).toBe(0)
    expect(await documents.find('large.md')).toBeNull()
  })

  test('what a killed run left of it is hidden from searches, and goes with the next run', { timeout: 120_000 }, async () => {
    await documents.index(file('large.md', 'The old text says word7.'))
    // Dies after some chunks were written, before the row of the document names them.
    const dying = new DocumentIndex(collection, {
      ...components,
      model: { name: model.name, dimension: model.dimension, countTokens: (text: string) => model.countTokens(text), embed: diesAfter(38) } as never,
    })
    await expect(dying.index(file('large.md', large(1)))).rejects.toThrow('killed')
    expect(await collection.count()).toBeGreaterThan(1000)
    const passages = await searchPassages(collection, documents, model, 'word7 says', { k: 10 })
    expect(passages.map(({ text }) => text)).toEqual(['The old text says word7.'])
    await documents.index(file('large.md', large(2)))
    expect((await searchPassages(collection, documents, model, 'word7 says', { k: 10 })).every(({ text }) => text.includes('Round 2'))).toBe(true)
    expect(await collection.count()).toBe((await documents.find('large.md'))!.chunkCount)
  })
})

function diesAfter(batches: number): StaticModel['embed'] {
  let left = batches
  return (texts, options) => {
    if (left-- === 0) throw new Error('killed')
    return model.embed(texts, options)
  }
}
