// A vectorizer whose embedder is behind OpenAI's API (a double of it), and whoever searches what it made.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { open } from '../../src/index.ts'
import { openModel } from '../../src/embed/open-model.ts'
import { startOpenAiDouble } from '../doubles/openai/double.ts'
import { runBeside } from '../process/processes.ts'

const scratch = mkdtempSync(join(tmpdir(), 'windlass-openai-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

test('embeds over HTTP what is new, nothing of what is not, and searches with the same model', { timeout: 60_000 }, async () => {
  const folder = join(scratch, 'files')
  const openai = await startOpenAiDouble({})
  const bucketUrl = `file:${join(scratch, 'bucket')}`
  const model = { name: 'openai:text-embedding-3-small', dimension: 256, apiKey: openai.key, baseUrl: openai.url }
  const bucket = await open(bucketUrl, { embeddingModel: () => openModel(model) })
  try {
    const { mkdirSync } = await import('node:fs')
    mkdirSync(folder)
    for (let i = 0; i < 30; i++) writeFileSync(join(folder, `${i}.md`), `# Topic ${i}\n\nword${i} stands only here.\n`)
    const vectorizer = bucket.vectorizer(
      { name: 'v', source: { type: 'folder', path: folder }, embedding: { provider: 'openai', model: 'text-embedding-3-small', dimension: 256, baseUrl: openai.url, pricePerMillionTokens: 0.02 }, destinations: [{ type: 'collection', name: 'c' }] },
      { environment: { OPENAI_API_KEY: openai.key } },
    )
    const calls = () => openai.state.journal.filter(({ path }) => path === '/embeddings').length
    const first = await vectorizer.run()
    expect(first).toMatchObject({ new: 30, failed: 0, chunksEmbedded: 30 })
    expect(first.embedding.tokens).toBeGreaterThan(30)
    expect(first.embedding.cost).toBeGreaterThan(0)
    const made = calls()
    // Small documents share requests; two have asked for the dimension.
    expect(made).toBe(first.embedding.requests + 2)
    expect(made).toBeLessThan(12)
    expect(await vectorizer.run()).toMatchObject({ unchanged: 30, chunksEmbedded: 0 })
    expect(calls()).toBe(made)
    writeFileSync(join(folder, '7.md'), '# Topic 7\n\nword7 has changed places.\n')
    expect(await vectorizer.run()).toMatchObject({ changed: 1, chunksEmbedded: 1 })
    const [best] = await (await bucket.collection('c')).search('word7', { k: 1, mode: 'vector' })
    expect(best).toMatchObject({ source: '7.md' })
  } finally {
    await bucket.close()
  }
  const environment = { EMBEDDING_MODEL: 'text-embedding-3-small', VECTOR_DIMENSION: '256', OPENAI_API_KEY: openai.key, OPENAI_BASE_URL: openai.url }
  const found = await runBeside(['search', 'word11', '--collection', 'c', '--mode', 'vector', '--json', '-k', '1', '--bucket', bucketUrl], environment)
  expect(found.stderr).toBe('')
  expect(found.stdout).toContain('11.md')
  const refused = await runBeside(['search', 'word11', '--collection', 'c', '--bucket', bucketUrl], { EMBEDDING_MODEL: 'text-embedding-3-small', OPENAI_API_KEY: '' })
  expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining('OPENAI_API_KEY') })
  await openai.close()
})
