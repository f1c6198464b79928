import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WindlassError } from '../base/errors.ts'
import { MemoryStore } from '../store/memory-store.ts'
import type { SourceDocument } from './document-index.ts'
import { indexSource, type IndexTarget } from './index-source.ts'
import { bucketDocuments, folderDocuments } from './sources/source-documents.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'windlass-source-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(path: string, text = 'x'): void {
  const whole = join(folder, path)
  mkdirSync(join(whole, '..'), { recursive: true })
  writeFileSync(whole, text)
}

async function sourcesOf(documents: AsyncIterable<SourceDocument>): Promise<string[]> {
  const sources: string[] = []
  for await (const { source } of documents) sources.push(source)
  return sources
}

async function textOf({ open }: SourceDocument): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of open()) parts.push(part)
  return Buffer.concat(parts).toString()
}

describe('folderDocuments', () => {
  test('walks in order, without what is hidden, installed or plainly no text', async () => {
    for (const path of ['b.md', 'a/z.txt', 'a/node_modules/x/README.md', '.git/config', '.env', 'a/picture.PNG', 'c.lock', 'd.ts']) write(path)
    symlinkSync(join(folder, '..'), join(folder, 'up'))
    expect(await sourcesOf(folderDocuments(folder))).toEqual(['a/z.txt', 'b.md', 'd.ts'].map((path) => `${folder}/${path}`))
  })

  test('a file that is named is taken, whatever it is called', async () => {
    write('.hidden.bin')
    expect(await sourcesOf(folderDocuments(join(folder, '.hidden.bin')))).toHaveLength(1)
  })

  test('a file that goes away before it is read is an error of that file', async () => {
    write('a.md')
    for await (const document of folderDocuments(folder)) {
      rmSync(join(folder, 'a.md'))
      await expect(textOf(document)).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('a.md') })
    }
  })

  test('a path that is not there is named', async () => {
    await expect(sourcesOf(folderDocuments(join(folder, 'none')))).rejects.toMatchObject({ kind: 'not-found', message: expect.stringContaining('none') })
  })
})

describe('bucketDocuments', () => {
  const open = async (keys: Record<string, string>) => {
    const store = new MemoryStore({ url: 's3://b' })
    for (const [key, text] of Object.entries(keys)) await store.put(key, new TextEncoder().encode(text))
    return store
  }

  test('lists what lies below a prefix, not beside it', async () => {
    const store = await open({ 'docs/a.md': 'A', 'docs/b/c.txt': 'C', 'docs/logo.png': 'p', 'docs-old/d.md': 'D', 'e.md': 'E' })
    expect(await sourcesOf(bucketDocuments(store, 'docs'))).toEqual(['s3://b/docs/a.md', 's3://b/docs/b/c.txt'])
    expect(await sourcesOf(bucketDocuments(store, 'e.md'))).toEqual(['s3://b/e.md'])
    expect(await sourcesOf(bucketDocuments(store, ''))).toHaveLength(4)
    await expect(sourcesOf(bucketDocuments(store, 'doc'))).rejects.toMatchObject({ kind: 'not-found' })
  })

  test('reads objects of any size, empty ones too, as often as asked', async () => {
    const large = 'abcdefgh'.repeat(2.5 * 1024 * 1024)
    const store = await open({ large, empty: '' })
    for await (const document of bucketDocuments(store, '')) {
      for (let i = 0; i < 2; i++) expect((await textOf(document)) === (document.source.endsWith('large') ? large : '')).toBe(true)
    }
  })

  test('an object that is replaced while it is read is an error, not a mix', async () => {
    const store = await open({ large: 'a'.repeat(20_000_000) })
    for await (const { open: read } of bucketDocuments(store, 'large')) {
      const parts = read()[Symbol.asyncIterator]()
      await parts.next()
      await store.put('large', new TextEncoder().encode('b'.repeat(20_000_000)))
      await expect(parts.next()).rejects.toMatchObject({ kind: 'conflict' })
    }
  })
})

describe('indexSource', () => {
  const files = async function* (...sources: string[]): AsyncIterable<SourceDocument> {
    for (const source of sources) yield { source, open: async function* () {} }
  }
  /** A collection that remembers names only, and fails where a name says so. */
  const newTarget = (stored: string[]): IndexTarget & { removed: string[] } => ({
    removed: [],
    index: async ({ source }) => {
      const kind = /fails-(.+)/.exec(source)?.[1]
      if (kind) throw new WindlassError(kind as 'invalid', `${source} cannot be read`)
      return { source, status: stored.includes(source) ? 'unchanged' : 'new', chunkCount: 2, sizeBytes: 10 }
    },
    listDocuments: async ({ after }) => {
      const start = after === undefined ? 0 : Number(after)
      return { documents: stored.slice(start, start + 2).map((source) => ({ source })), ...(start + 2 < stored.length && { next: String(start + 2) }) }
    },
    async deleteDocument(source) {
      this.removed.push(source)
      return true
    },
  })

  test('one unreadable file is reported and the rest go on', async () => {
    const report = await indexSource(files('a', 'fails-invalid', 'fails-conflict', 'b', 'old'), newTarget(['old']))
    expect(report).toMatchObject({ new: 2, unchanged: 1, chunks: 4, bytes: 30 })
    expect(report.failed.map(({ source }) => source)).toEqual(['fails-invalid', 'fails-conflict'])
  })

  test.each(['denied', 'unavailable', 'storage-full', 'outcome-unknown', 'corrupt'])('a bucket that answers %s ends the run', async (kind) => {
    await expect(indexSource(files('a', `fails-${kind}`, 'b'), newTarget([]))).rejects.toMatchObject({ kind })
  })

  test('prune removes what the source no longer has, below its roots only', async () => {
    const target = newTarget(['docs/a', 'docs/gone', 'docs-old/x', 'docs', 'other/y', 'docs/b'])
    const report = await indexSource(files('docs/a', 'docs/b'), target, { prune: ['docs'] })
    expect(target.removed).toEqual(['docs/gone', 'docs'])
    expect(report.removed).toBe(2)
  })

  test('nothing is removed when the source broke off', async () => {
    const target = newTarget(['docs/a'])
    const broken = async function* (): AsyncIterable<SourceDocument> {
      yield* files('docs/b')
      throw new WindlassError('not-found', 'the folder is gone')
    }
    await expect(indexSource(broken(), target, { prune: ['docs'] })).rejects.toMatchObject({ kind: 'not-found' })
    expect(target.removed).toEqual([])
  })
})
