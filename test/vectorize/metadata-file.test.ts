// A workflow that uploaded to an OpenAI vector store with a metadata file of its own, and switches over: against a double of OpenAI.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import OpenAI, { toFile } from 'openai'
import { systemClock } from '../../src/base/clock.ts'
import { open } from '../../src/index.ts'
import { startOpenAiDouble } from '../doubles/openai/double.ts'

const scratch = mkdtempSync(join(tmpdir(), 'windlass-metadata-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

test('what the file names is taken over, replaced or removed; then the file is kept in step', { timeout: 60_000 }, async () => {
  const folder = join(scratch, 'docs')
  mkdirSync(folder)
  const openai = await startOpenAiDouble()
  const client = new OpenAI({ apiKey: openai.key, baseURL: openai.url })
  const store = await client.vectorStores.create({ name: 'old' })
  // What a script of one's own left: three files, of which one has changed since and one is gone.
  const before = { 'same.md': 'Apples are red.', 'changed.md': 'Pears are green.', 'gone.md': 'Plums are blue.' }
  const entries: Record<string, unknown> = {}
  for (const [path, text] of Object.entries(before)) {
    const file = await client.vectorStores.files.uploadAndPoll(store.id, await toFile(Buffer.from(text), path))
    entries[path] = { file_id: file.id, checksum: sha256(text), uploaded_at: '2026-01-02T03:04:05.000Z', note: 'kept' }
  }
  const metadataFile = join(scratch, '.deepgram/vectorstore_metadata.json')
  mkdirSync(join(scratch, '.deepgram'))
  writeFileSync(metadataFile, JSON.stringify({ vector_store_id: store.id, files: entries }, null, 2))
  writeFileSync(join(folder, 'same.md'), before['same.md'])
  writeFileSync(join(folder, 'changed.md'), 'Pears are yellow.')
  writeFileSync(join(folder, 'new.md'), 'Quinces are sour.')

  const bucket = await open('memory:', { clock: { ...systemClock, now: () => Date.now() + 10_000 } })
  const run = () =>
    bucket
      .vectorizer(
        { name: 'v', source: { type: 'folder', path: folder }, destinations: [{ type: 'openai', vectorStore: store.id, baseUrl: openai.url, metadataFile: '.deepgram/vectorstore_metadata.json' }] },
        { environment: { OPENAI_API_KEY: openai.key }, folder: scratch },
      )
      .run()
  const uploads = () => openai.state.journal.filter(({ method, path }) => method === 'POST' && path === '/files').length
  const already = uploads()
  expect(await run(), 'whoever takes whole files needs none embedded').toMatchObject({ new: 3, failed: 0, chunksEmbedded: 0 })
  expect(uploads() - already, 'what is the same is not uploaded again').toBe(2)
  const kept = JSON.parse(readFileSync(metadataFile, 'utf8')) as { files: Record<string, { file_id: string; checksum: string; note?: string }> }
  expect(Object.keys(kept.files).sort()).toEqual(['changed.md', 'new.md', 'same.md'])
  expect(kept.files['same.md']).toMatchObject({ file_id: (entries['same.md'] as { file_id: string }).file_id, checksum: sha256(before['same.md']), note: 'kept' })
  expect(kept.files['changed.md']!.checksum).toBe(sha256('Pears are yellow.'))
  const remote: string[] = []
  for await (const { id } of client.vectorStores.files.list(store.id)) remote.push(id)
  expect(remote.sort()).toEqual(Object.values(kept.files).map(({ file_id: id }) => id).sort())
  expect([...openai.state.files.keys()].sort(), 'both objects of what was replaced or is gone went').toEqual(remote)

  rmSync(join(folder, 'new.md'))
  const [uploaded, text] = [uploads(), readFileSync(metadataFile, 'utf8')]
  expect(await run()).toMatchObject({ unchanged: 2, removed: 1 })
  expect(uploads()).toBe(uploaded)
  expect(Object.keys((JSON.parse(readFileSync(metadataFile, 'utf8')) as typeof kept).files).sort()).toEqual(['changed.md', 'same.md'])
  expect(text).toContain('new.md')
  await bucket.close()
  await openai.close()
})
