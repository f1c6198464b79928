import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { open } from '../../src/index.ts'
import type { Bucket } from '../../src/library/types.ts'
import type { VectorizerInput } from '../../src/vectorize/declaration/declaration.ts'

let folder: string
let bucket: Bucket
/** By so much the wall clock is ahead: what was written just now is too fresh for its times to tell of every change. Sleeps are real. */
let ahead = 10_000
const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead }

beforeEach(async () => {
  ahead = 10_000
  folder = mkdtempSync(join(tmpdir(), 'windlass-vectorizer-'))
  bucket = await open('memory:', { clock })
})
afterEach(async () => {
  await bucket.close()
  rmSync(folder, { recursive: true, force: true })
})

function write(path: string, text: string | Uint8Array): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

const declaration = (): VectorizerInput => ({ name: 'docs', source: { type: 'folder', path: folder }, destinations: [{ type: 'collection', name: 'docs' }] })
const vectorizer = (more: Partial<VectorizerInput> = {}) => bucket.vectorizer({ ...declaration(), ...more })

async function keysOf(name = 'docs'): Promise<string[]> {
  const { rows } = await (await bucket.collection(name)).list({ limit: 1000, include: {} })
  return rows.map(({ key }) => key).sort()
}

const sections = (...texts: string[]) => texts.map((text, i) => `# Part ${i}\n\n${text}\n`).join('\n')

describe('a run', () => {
  test('does what is new, and then nothing', async () => {
    write('a.md', sections('Apples are red.', 'Pears are green.'))
    write('deep/b.txt', 'Bucket and windlass.')
    const first = await vectorizer().run()
    expect(first).toMatchObject({ new: 2, unchanged: 0, failed: 0, chunksEmbedded: 3, chunksReused: 0 })
    const [best] = await (await bucket.collection('docs')).search('red fruit', { k: 1 })
    expect(best).toMatchObject({ source: 'a.md', text: expect.stringContaining('Apples'), metadata: { vectorizer: 'docs' } })
    const second = await vectorizer().run()
    expect(second).toMatchObject({ new: 0, changed: 0, unchanged: 2, chunksEmbedded: 0, bytesRead: 0 })
  })

  test('embeds only the chunks of a changed document whose text changed', async () => {
    write('a.md', sections('Apples are red.', 'Pears are green.', 'Plums are blue.'))
    await vectorizer().run()
    const before = await keysOf()
    write('a.md', sections('Apples are red.', 'Pears are yellow, and some are brown.', 'Plums are blue.'))
    expect(await vectorizer().run()).toMatchObject({ changed: 1, chunksEmbedded: 1, chunksReused: 2 })
    const after = await keysOf()
    expect(after.filter((key) => before.includes(key))).toHaveLength(2)
    expect(after).toHaveLength(3)
  })

  test('takes over vectors of chunks that moved', async () => {
    write('a.md', sections('Apples are red.', 'Pears are green.'))
    await vectorizer().run()
    const vectorOf = async (word: string) => (await (await bucket.collection('docs')).list({ limit: 10, include: { vector: true, document: true } })).rows.find(({ document }) => document?.includes(word))!.vector
    const before = await vectorOf('Pears')
    write('a.md', `# Part 1\n\nPears are green.\n\n# Part 0\n\nApples are red.\n`)
    expect(await vectorizer().run()).toMatchObject({ changed: 1, chunksEmbedded: 0, chunksReused: 2 })
    expect(await vectorOf('Pears')).toEqual(before)
  })

  test('sees that a touched document has the same bytes', async () => {
    write('a.md', 'Apples.')
    await vectorizer().run()
    utimesSync(join(folder, 'a.md'), new Date(), new Date(1_000_000_000_000))
    expect(await vectorizer().run()).toMatchObject({ unchanged: 1, chunksEmbedded: 0, bytesRead: 7 })
    expect(await vectorizer().run()).toMatchObject({ unchanged: 1, bytesRead: 0 })
  })

  test('removes what is gone, and embeds nothing of what was renamed', async () => {
    write('a.md', sections('Apples are red.', 'Pears are green.'))
    write('b.md', 'Plums.')
    await vectorizer().run()
    renameSync(join(folder, 'a.md'), join(folder, 'c.md'))
    rmSync(join(folder, 'b.md'))
    write('d.md', 'Quinces.')
    expect(await vectorizer().run()).toMatchObject({ new: 1, renamed: 1, removed: 2, chunksEmbedded: 1, chunksReused: 2 })
    expect((await keysOf()).map((key) => key.split('#')[0])).toEqual(['c.md', 'c.md', 'd.md'])
    expect(await vectorizer().status()).toMatchObject({ documents: 2, failed: 0, inProgress: 0, workers: [] })
  })

  test('keeps what is gone where it is told so', async () => {
    write('a.md', 'Apples.')
    await vectorizer().run()
    rmSync(join(folder, 'a.md'))
    write('b.md', 'Pears.')
    expect(await vectorizer({ processing: { deleteMissing: false } }).run()).toMatchObject({ new: 1, removed: 0 })
    expect(await keysOf()).toHaveLength(2)
  })

  test('does everything again when the recipe changes, but embeds only texts that differ', async () => {
    write('a.md', sections('Apples are red.', 'Pears are green.'))
    await vectorizer().run()
    expect(await vectorizer({ metadata: { team: 'fruit' } }).run()).toMatchObject({ changed: 1, chunksEmbedded: 0, chunksReused: 2 })
    expect((await (await bucket.collection('docs')).list({ filter: { team: 'fruit' } })).rows).toHaveLength(2)
    expect(await vectorizer({ metadata: { team: 'fruit' }, formatting: { template: '$title, $team: $chunk ($$)' } }).run()).toMatchObject({ changed: 1, chunksEmbedded: 2 })
    expect((await (await bucket.collection('docs')).list({ include: { document: true } })).rows[0]!.document).toContain('fruit: ')
  })

  test('fills a destination that is new from one that is not', async () => {
    write('a.md', sections('Apples are red.', 'Pears are green.'))
    await vectorizer().run()
    const both = vectorizer({ destinations: [{ type: 'collection', name: 'docs' }, { type: 'collection', name: 'copy' }] })
    expect(await both.run()).toMatchObject({ chunksEmbedded: 0, chunksReused: 2 })
    expect(await keysOf('copy')).toEqual(await keysOf('docs'))
    rmSync(join(folder, 'a.md'))
    expect(await both.run()).toMatchObject({ removed: 1 })
    expect(await keysOf('copy')).toEqual([])
    expect(await keysOf('docs')).toEqual([])
  })

  test('tells what it would do, and does not', async () => {
    write('a.md', 'Apples.')
    await vectorizer().run()
    rmSync(join(folder, 'a.md'))
    write('b.md', 'Pears.')
    expect(await vectorizer().preview()).toEqual({ pending: ['b.md'], missing: ['a.md'], unchanged: 0, waiting: 0, isPartial: false })
    expect((await keysOf()).map((key) => key.split('#')[0])).toEqual(['a.md'])
  })

  test('stores one chunk a document where chunking is off', async () => {
    write('a.md', sections('Apples are red.', 'Pears are green.'))
    expect(await vectorizer({ chunking: { method: 'none' } }).run()).toMatchObject({ chunksEmbedded: 1 })
  })

  test('leaves alone what another vectorizer put into the collection', async () => {
    write('a.md', 'Apples.')
    await vectorizer().run()
    const other = bucket.vectorizer({ ...declaration(), name: 'other' })
    expect(await other.run()).toMatchObject({ failed: 1, failures: [{ path: 'a.md', message: expect.stringContaining('vectorizer "docs"') }] })
    rmSync(join(folder, 'a.md'))
    await other.run()
    expect(await keysOf()).toHaveLength(1)
  })

  test('a collection of another dimension is refused before anything is written', async () => {
    await bucket.createCollection('docs', { dimension: 3 })
    write('a.md', 'Apples.')
    await expect(vectorizer().run()).rejects.toMatchObject({ kind: 'invalid', message: expect.stringMatching(/3 values.*384/) })
  })
})

describe('a document that fails', () => {
  const broken = Uint8Array.from([0x25, 0x50, 0x44, 0x46, 0x2d, 0x31, 0x2e, 0x37, 0x0a, 1, 2, 3])

  test('does not stop the rest, is listed with its reason, set aside, and done when it has changed', async () => {
    write('a.md', 'Apples.')
    write('broken.pdf', broken)
    write('c.md', 'Pears.')
    const report = await vectorizer().run()
    expect(report).toMatchObject({ new: 2, failed: 1, failures: [{ path: 'broken.pdf', step: 'parsing' }] })
    expect(report.failures[0]).not.toHaveProperty('retryAt')
    const errors = []
    for await (const error of vectorizer().errors()) errors.push(error)
    expect(errors).toMatchObject([{ path: 'broken.pdf', step: 'parsing', attempts: 1 }])
    expect(await vectorizer().run()).toMatchObject({ unchanged: 2, waiting: 1, failed: 0, bytesRead: 0 })
    expect(await vectorizer().retry(['broken.pdf'])).toBe(1)
    expect(await vectorizer().run()).toMatchObject({ unchanged: 2, failed: 1 })
    write('broken.pdf', 'Not a PDF at all, only called so.')
    rmSync(join(folder, 'broken.pdf'))
    expect(await vectorizer().run()).toMatchObject({ removed: 1 })
    expect(await vectorizer().status()).toMatchObject({ documents: 2, failed: 0 })
  })

  test('keeps answering with its old chunks', async () => {
    write('a.csv', 'name,colour\napple,red\n')
    await vectorizer().run()
    write('a.csv', broken)
    expect(await vectorizer({ parsing: { format: 'pdf' } }).run()).toMatchObject({ failed: 1 })
    expect(await keysOf()).toHaveLength(1)
  })

  test('that was not there to retry is named', async () => {
    write('a.md', 'Apples.')
    await vectorizer().run()
    await expect(vectorizer().retry(['a.md'])).rejects.toMatchObject({ kind: 'not-found', message: expect.stringContaining('a.md has not failed') })
  })
})

describe('several at once', () => {
  const everything = async () => {
    const { rows } = await (await bucket.collection('docs')).list({ limit: 1000, include: { document: true } })
    return rows.map(({ key, document }) => [key, document]).sort(([a], [b]) => (a! < b! ? -1 : 1))
  }

  test('do every document once, and all come to the same', async () => {
    for (let i = 0; i < 120; i++) write(`${i % 7}/${i}.md`, sections(`Text number ${i}.`, `More of ${i}.`))
    const processing = { claimFiles: 5, filesAtOnce: 2 }
    const reports = await Promise.all(Array.from({ length: 4 }, () => vectorizer({ processing }).run()))
    expect(reports.reduce((sum, report) => sum + report.new, 0)).toBe(120)
    expect(reports.reduce((sum, report) => sum + report.chunksEmbedded, 0)).toBe(240)
    const together = await everything()
    expect(together).toHaveLength(240)
    await bucket.dropCollection('docs')
    await bucket.dropCollection('.vectorizer.docs')
    await vectorizer().run()
    expect(await everything()).toEqual(together)
    expect(await vectorizer().status()).toMatchObject({ documents: 120, inProgress: 0, workers: [] })
  })

  test('what a dead worker had claimed is done by the others', async () => {
    for (let i = 0; i < 10; i++) write(`${i}.md`, `Text number ${i}.`)
    await vectorizer().run()
    // As a killed process leaves it: a worker's row that beats no more, and its claims.
    const state = await bucket.collection('.vectorizer.docs')
    const row = (key: string, kind: string, value: unknown) => ({ op: 'put' as const, space: 'documents' as const, row: { key, metadata: { kind }, document: JSON.stringify(value) } })
    const engine = (await bucket.identifyCollection(state.name)) as unknown as { write(batch: unknown): Promise<unknown> }
    await engine.write({ operations: [row('wdead', 'worker', { id: 'dead', beat: 7, host: 'elsewhere', pid: 1, startedAt: 0 }), row('c3.md', 'claim', { path: '3.md', worker: 'dead' })] })
    write('3.md', 'Another text.')
    write('4.md', 'Yet another.')
    const report = await vectorizer({ processing: { workerTimeout: '600ms' } }).run()
    expect(report).toMatchObject({ changed: 2, byOthers: 0 })
    expect(await vectorizer().status()).toMatchObject({ inProgress: 0, workers: [] })
  })
})

test('state is no collection of anybody else', async () => {
  write('a.md', 'Apples.')
  await vectorizer().run()
  expect((await bucket.listCollections()).collections.map(({ name }) => name)).toEqual(['docs'])
})

test('a declaration that is wrong is refused with the place', () => {
  expect(() => vectorizer({ destinations: [] })).toThrow(/destinations/)
})
