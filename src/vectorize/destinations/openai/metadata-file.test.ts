import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { keepMetadataFile, loadMetadataFile } from './keep-metadata-file.ts'
import { applyToMetadataFile, differenceTo, isSameContent, metadataFilePath, readMetadataFile, writeMetadataFile, type MetadataUpdate } from './metadata-file.ts'

const sha = 'a'.repeat(64)
const md5 = 'b'.repeat(32)
const at = Date.parse('2025-01-02T03:04:05.000Z')
const update = (path: string, more: Partial<MetadataUpdate> = {}): MetadataUpdate => ({ path, fileId: 'file-new', vectorStoreId: 'vs_1', sha256: 'c'.repeat(64), md5: 'd'.repeat(32), uploadedAt: at + 1000, ...more })

/** One file in forms that workflows write, all of the same meaning; `expected` is what it becomes when `docs/b.md` is uploaded. */
const forms: Record<string, { before: unknown; after: unknown; checksum?: 'md5' | null; noTime?: true; noStore?: true }> = {
  'object by path, snake case': {
    before: { 'docs/a.md': { file_id: 'file-1', vector_store_id: 'vs_1', checksum: sha, uploaded_at: '2025-01-02T03:04:05.000Z', note: 'kept' } },
    after: { 'docs/a.md': { file_id: 'file-1', vector_store_id: 'vs_1', checksum: sha, uploaded_at: '2025-01-02T03:04:05.000Z', note: 'kept' }, 'docs/b.md': { file_id: 'file-new', vector_store_id: 'vs_1', checksum: 'c'.repeat(64), uploaded_at: '2025-01-02T03:04:06.000Z' } },
  },
  'camel case under files, with a version': {
    before: { version: 3, files: { 'docs/a.md': { fileId: 'file-1', vectorStoreId: 'vs_1', sha256: sha, uploadedAt: '2025-01-02T03:04:05Z' } } },
    after: { version: 3, files: { 'docs/a.md': { fileId: 'file-1', vectorStoreId: 'vs_1', sha256: sha, uploadedAt: '2025-01-02T03:04:05Z' }, 'docs/b.md': { fileId: 'file-new', vectorStoreId: 'vs_1', sha256: 'c'.repeat(64), uploadedAt: '2025-01-02T03:04:06.000Z' } } },
  },
  'array with the store above, MD5, seconds': {
    before: { vector_store_id: 'vs_1', files: [{ path: 'docs/a.md', id: 'file-1', md5, timestamp: at / 1000 }] },
    after: { vector_store_id: 'vs_1', files: [{ path: 'docs/a.md', id: 'file-1', md5, timestamp: at / 1000 }, { path: 'docs/b.md', id: 'file-new', md5: 'd'.repeat(32), timestamp: at / 1000 + 1 }] },
    checksum: 'md5',
  },
  'array alone, prefixed hash, milliseconds': {
    before: [{ filePath: 'docs/a.md', fileId: 'file-1', vectorStoreId: 'vs_1', hash: `sha256:${sha.toUpperCase()}`, uploadedAt: at }],
    after: [{ filePath: 'docs/a.md', fileId: 'file-1', vectorStoreId: 'vs_1', hash: `sha256:${sha.toUpperCase()}`, uploadedAt: at }, { filePath: 'docs/b.md', fileId: 'file-new', vectorStoreId: 'vs_1', hash: `sha256:${'c'.repeat(64)}`, uploadedAt: at + 1000 }],
  },
  'object by path beside other fields, the store above': {
    before: { vector_store_id: 'vs_1', updated: 'x', 'docs/a.md': { file_id: 'file-1', hash: sha, timestamp: '2025-01-02T03:04:05Z' } },
    after: { vector_store_id: 'vs_1', updated: 'x', 'docs/a.md': { file_id: 'file-1', hash: sha, timestamp: '2025-01-02T03:04:05Z' }, 'docs/b.md': { file_id: 'file-new', hash: 'c'.repeat(64), timestamp: '2025-01-02T03:04:06.000Z' } },
  },
  'ids alone': {
    before: { 'docs/a.md': 'file-1' },
    after: { 'docs/a.md': 'file-1', 'docs/b.md': 'file-new' },
    checksum: null,
    noTime: true,
    noStore: true,
  },
}

describe.each(Object.entries(forms))('%s', (_, { before, after, checksum, noTime, noStore }) => {
  const file = readMetadataFile(JSON.stringify(before, null, 2))

  test('is read', () => {
    expect([...file.entries.values()]).toEqual([
      { path: 'docs/a.md', fileId: 'file-1', ...(!noStore && { vectorStoreId: 'vs_1' }), ...(checksum !== null && { checksum: checksum === 'md5' ? { algorithm: 'md5', hex: md5 } : { algorithm: 'sha256', hex: sha } }), ...(!noTime && { uploadedAt: at }) },
    ])
  })

  test('is written back as it was', () => {
    expect(writeMetadataFile(file)).toBe(`${JSON.stringify(before, null, 2)}\n`)
    expect(writeMetadataFile(readMetadataFile(JSON.stringify(before)))).toBe(`${JSON.stringify(before)}\n`)
    expect(writeMetadataFile(readMetadataFile(`\uFEFF${JSON.stringify(before, null, '\t')}`))).toBe(`${JSON.stringify(before, null, '\t')}\n`)
  })

  test('takes what was uploaded in its own form, and loses what was removed', () => {
    const more = applyToMetadataFile(file, { uploaded: [update('docs/b.md')] })
    expect(JSON.parse(writeMetadataFile(more))).toEqual(after)
    expect(JSON.parse(writeMetadataFile(applyToMetadataFile(more, { removed: ['docs/b.md', 'docs/never.md'] })))).toEqual(before)
    expect(file.entries.size).toBe(1)
    expect([...readMetadataFile(writeMetadataFile(more)).entries.keys()]).toEqual(['docs/a.md', 'docs/b.md'])
  })
})

test('a changed file keeps the fields that are not ours; one that is the same is not touched', () => {
  const file = readMetadataFile(JSON.stringify(forms['object by path, snake case']!.before))
  const changed = applyToMetadataFile(file, { uploaded: [update('docs/a.md')] })
  expect(JSON.parse(writeMetadataFile(changed))).toEqual({ 'docs/a.md': { file_id: 'file-new', vector_store_id: 'vs_1', checksum: 'c'.repeat(64), uploaded_at: '2025-01-02T03:04:06.000Z', note: 'kept' } })
  const same = applyToMetadataFile(file, { uploaded: [update('docs/a.md', { fileId: 'file-1', sha256: sha })] })
  expect(writeMetadataFile(same)).toBe(writeMetadataFile(file))
})

test('a new file has the documented form', () => {
  const text = writeMetadataFile(applyToMetadataFile(readMetadataFile(null), { uploaded: [update('a.md')] }))
  expect(text).toBe(`{\n  "a.md": {\n    "file_id": "file-new",\n    "vector_store_id": "vs_1",\n    "checksum": "${'c'.repeat(64)}",\n    "uploaded_at": "2025-01-02T03:04:06.000Z"\n  }\n}\n`)
  expect(readMetadataFile(' \n').entries.size).toBe(0)
  expect(readMetadataFile('{}').entries.size).toBe(0)
  expect(metadataFilePath).toBe('.deepgram/vectorstore_metadata.json')
})

test('what is gone is removed, but not what is of another vector store', () => {
  const file = readMetadataFile(JSON.stringify({ 'a.md': { file_id: 'file-1', vector_store_id: 'vs_1' }, 'b.md': { file_id: 'file-2', vector_store_id: 'vs_2' }, 'c.md': { file_id: 'file-3' } }))
  expect(differenceTo(file, [update('d.md')], 'vs_1').removed).toEqual(['a.md', 'c.md'])
  expect(differenceTo(file, [update('a.md'), update('c.md')], 'vs_1').removed).toEqual([])
})

test('a file of another vector store than the one above says so', () => {
  const file = readMetadataFile(JSON.stringify({ vector_store_id: 'vs_0', files: { 'a.md': { file_id: 'file-1', checksum: sha } } }))
  const text = writeMetadataFile(applyToMetadataFile(file, { uploaded: [update('b.md')] }))
  expect(JSON.parse(text)).toMatchObject({ vector_store_id: 'vs_0', files: { 'a.md': { file_id: 'file-1' }, 'b.md': { vector_store_id: 'vs_1' } } })
  expect([...readMetadataFile(text).entries.values()].map(({ vectorStoreId }) => vectorStoreId)).toEqual(['vs_0', 'vs_1'])
})

test('contents are compared by the checksum that is there', () => {
  const entry = { path: 'a', fileId: 'f' }
  expect(isSameContent({ ...entry, checksum: { algorithm: 'sha256', hex: sha } }, { sha256: sha })).toBe(true)
  expect(isSameContent({ ...entry, checksum: { algorithm: 'md5', hex: md5 } }, { sha256: sha, md5 })).toBe(true)
  expect(isSameContent({ ...entry, checksum: { algorithm: 'md5', hex: md5 } }, { sha256: sha, md5: 'e'.repeat(32) })).toBe(false)
  expect(isSameContent({ ...entry, checksum: { algorithm: 'md5', hex: md5 } }, { sha256: sha })).toBeNull()
  expect(isSameContent(entry, { sha256: sha })).toBeNull()
})

test.each([['{', /not JSON/], ['"text"', /instead of files/], ['null', /instead of files/], ['[{"path":"a"}]', /entry 0 names no file id/], ['[{"id":"file-1"}]', /entry 0 names no path/], ['[3]', /entry 0/]])('%s is refused', (text, message) => {
  expect(() => readMetadataFile(text)).toThrow(message)
})

test('a file on disk is replaced at once, and only when something differs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'metadata-'))
  try {
    const path = join(folder, '.deepgram', 'vectorstore_metadata.json')
    expect(await keepMetadataFile(path, [update('a.md'), update('b.md')], 'vs_1')).toBe(true)
    expect(await keepMetadataFile(path, [update('a.md'), update('b.md')], 'vs_1')).toBe(false)
    expect(await keepMetadataFile(path, [update('b.md')], 'vs_1')).toBe(true)
    expect([...(await loadMetadataFile(path)).entries.keys()]).toEqual(['b.md'])
    expect(await readdir(join(folder, '.deepgram'))).toEqual(['vectorstore_metadata.json'])
    await writeFile(path, 'broken')
    await expect(keepMetadataFile(path, [], 'vs_1')).rejects.toThrow(/vectorstore_metadata\.json: the metadata file is not JSON/)
    expect(await readFile(path, 'utf8')).toBe('broken')
  } finally {
    await rm(folder, { recursive: true })
  }
})
