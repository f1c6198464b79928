// The same file service on every engine: one line of the settings differs, and nothing that a client sees.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Configuration } from '../../src/config/configuration.ts'
import { serve, type RunningServer } from '../../src/server/serve.ts'
import { startS3Vectors } from '../../src/testing/servers.ts'
import { startOpenSearchDouble } from '../doubles/opensearch/double.ts'
import { startTestDatabase } from '../postgres/test-database.ts'
import { startQdrantDouble } from '../doubles/qdrant/double.ts'

process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'

interface StartedEngine {
  /** Null: the bucket itself. */
  readonly line: string | null
  readonly environment?: Readonly<Record<string, string>>
  close(): Promise<void>
}

const engines: Record<string, () => Promise<StartedEngine>> = {
  'the bucket': () => Promise.resolve({ line: null, close: () => Promise.resolve() }),
  'S3 Vectors': async () => {
    const server = await startS3Vectors()
    const { accessKeyId: id, secretAccessKey: secret } = server.credentials
    return { line: `s3vectors:${server.endpoint}/vectors/files`, environment: { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret }, close: () => server.stop() }
  },
  Qdrant: async () => {
    const double = await startQdrantDouble({ apiKey: 'key-of-qdrant' })
    return { line: `qdrant:${double.url}/files`, environment: { QDRANT_API_KEY: 'key-of-qdrant' }, close: () => double.close() }
  },
  'Postgres with pgvector': async () => {
    const database = await startTestDatabase()
    return { line: 'pgvector:FILES_DATABASE/files', environment: { FILES_DATABASE: database.url }, close: () => database.stop() }
  },
  OpenSearch: async () => {
    const double = await startOpenSearchDouble({ basic: { user: 'me', password: 'pass-of-opensearch' } })
    return { line: `opensearch:${double.url}/files`, environment: { OPENSEARCH_USER: 'me', OPENSEARCH_PASSWORD: 'pass-of-opensearch' }, close: () => double.close() }
  },
}

const texts = {
  'guide/winches.md': '# Winches\n\nA windlass moves heavy weights with a crank and a drum.\n\n## Safety\n\nNever stand in line with the rope under load.',
  'guide/bread.md': '# Bread\n\nSourdough needs flour, water, salt and a night of patience.',
  'notes.txt': 'The quarterly invoice of the lighthouse is due in November.',
}

describe.each(Object.keys(engines))('the file service on %s', (name) => {
  let engine: StartedEngine
  let server: RunningServer
  const scratch = mkdtempSync(join(tmpdir(), 'windlass-engines-'))
  const url = (path: string) => `${server.url}/v1/collections/files${path}`
  const get = async <Value>(path: string) => (await (await fetch(url(path))).json()) as Value
  const search = async (body: Record<string, unknown>) => {
    const answer = await fetch(url('/search'), { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
    return { status: answer.status, ...((await answer.json()) as { passages: { source: string; text: string; headingPath: string[]; title?: string; score: number; metadata: unknown; highlights: unknown[]; lineStart?: number }[]; message?: string }) }
  }

  beforeAll(async () => {
    engine = await engines[name]!()
    const commandLine = { bucket: 'memory:', port: '0', 'log-level': 'silent', scratch, ...(engine.line !== null && { engine: engine.line }) }
    server = await serve(Configuration.read({ commandLine, environment: engine.environment ?? {} }), { version: '0.0.0' })
    if (engine.line === null) await fetch(`${server.url}/v1/collections`, { method: 'POST', body: JSON.stringify({ name: 'files' }), headers: { 'content-type': 'application/json' } })
  })
  afterAll(async () => {
    await server.stop()
    await engine.close()
    rmSync(scratch, { recursive: true, force: true })
  })

  test('uploads, lists, finds, replaces and deletes files', async () => {
    const form = new FormData()
    for (const [path, text] of Object.entries(texts)) form.append('file', new Blob([text]), path)
    form.append('metadata', JSON.stringify({ team: 'dock', year: 2024 }))
    const uploaded = (await (await fetch(url('/documents'), { method: 'POST', body: form })).json()) as { documents: { source: string; status: string; chunkCount: number }[] }
    expect(uploaded.documents.map(({ source, status }) => [source, status])).toEqual(Object.keys(texts).map((path) => [path, 'new']))

    const listed = await get<{ documents: { source: string; title?: string; format: string; sizeBytes: number; chunkCount: number; state: string; metadata: unknown }[]; next?: string }>('/documents')
    expect(listed.documents.map(({ source }) => source).sort()).toEqual(Object.keys(texts).sort())
    expect(listed.documents.find(({ source }) => source === 'guide/bread.md')).toMatchObject({ title: 'Bread', format: 'markdown', sizeBytes: texts['guide/bread.md'].length, chunkCount: 1, state: 'indexed', metadata: { team: 'dock', year: 2024 } })
    expect((await get<typeof listed>('/documents?prefix=guide/')).documents).toHaveLength(2)
    const first = await get<typeof listed>('/documents?limit=2')
    expect(first.documents).toHaveLength(2)
    const second = await get<typeof listed>(`/documents?limit=2&after=${encodeURIComponent(first.next!)}`)
    expect([...first.documents, ...second.documents].map(({ source }) => source).sort()).toEqual(Object.keys(texts).sort())

    const { passages } = await search({ query: 'lifting a weight with a rope and a crank', k: 2 })
    expect(passages[0]).toMatchObject({ source: 'guide/winches.md', metadata: { team: 'dock', year: 2024 } })
    expect(passages[0]!.text).toContain('crank')
    expect(passages[0]!.highlights.length).toBeGreaterThan(0)
    expect(passages[0]!.score).toBeGreaterThan(passages[1]!.score)

    await fetch(url('/documents/notes.txt?metadata=%7B%22team%22%3A%22office%22%2C%22year%22%3A2025%7D'), { method: 'PUT', body: 'The annual report of the lighthouse is done.' })
    const office = await search({ query: 'lighthouse', filter: { $or: [{ year: { $gte: 2025 } }, { team: { $in: ['nobody'] } }] } })
    expect(office.passages.map(({ source, text }) => [source, text])).toEqual([['notes.txt', 'The annual report of the lighthouse is done.']])
    expect((await search({ query: 'lighthouse', filter: { $not: { team: 'office' } } })).passages.map(({ source }) => source)).not.toContain('notes.txt')
    expect((await search({ query: 'rope', filter: { source: 'guide/bread.md' } })).passages.every(({ source }) => source === 'guide/bread.md')).toBe(true)
    // What an engine cannot say is asked here.
    expect(new Set((await search({ query: 'rope', k: 10, filter: { source: { $startsWith: 'guide/' } } })).passages.map(({ source }) => source))).toEqual(new Set(['guide/winches.md', 'guide/bread.md']))
    expect((await search({ query: 'rope', k: 10, filter: { $not: { year: { $lt: 2025 } } } })).passages.map(({ source }) => source)).toEqual(['notes.txt'])
    expect((await get<{ chunkCount: number; metadata: unknown }>('/documents/notes.txt'))).toMatchObject({ chunkCount: 1, metadata: { team: 'office' } })

    expect((await fetch(url('/documents/guide/bread.md'), { method: 'DELETE' })).status).toBe(204)
    expect((await fetch(url('/documents/guide/bread.md'), { method: 'DELETE' })).status).toBe(404)
    expect((await fetch(url('/documents/guide/bread.md'))).status).toBe(404)
    expect((await search({ query: 'sourdough flour', k: 10 })).passages.map(({ source }) => source)).not.toContain('guide/bread.md')
    expect((await get<typeof listed>('/documents')).documents).toHaveLength(2)
  })

  test('the same bytes are not written again, other bytes are', async () => {
    const put = async (text: string, metadata = '') => ((await (await fetch(url(`/documents/same.txt?metadata=${encodeURIComponent(metadata)}`), { method: 'PUT', body: text })).json()) as { documents: { status: string }[] }).documents[0]!.status
    expect([await put('one'), await put('one'), await put('two'), await put('one')]).toEqual(['new', 'unchanged', 'changed', 'changed'])
    expect([await put('one', '{"a":1}'), await put('one', '{"a":1}'), await put('one', '{"a":2}')]).toEqual(['changed', 'unchanged', 'changed'])
    await fetch(url('/documents/same.txt'), { method: 'DELETE' })
  })

  test('words alone find what they name, or it is said that the engine has no words', async () => {
    await fetch(url('/documents/rare.txt'), { method: 'PUT', body: 'The part is called QX-7741 and lies in drawer nine.' })
    const found = await search({ query: 'QX-7741', mode: 'text' })
    if (name === 'S3 Vectors') expect(found.status).toBe(501)
    else expect(found.passages.map(({ source }) => source)).toEqual(['rare.txt'])
    expect((await search({ query: 'QX-7741', k: 1 })).passages[0]!.source).toBe('rare.txt')
    await fetch(url('/documents/rare.txt'), { method: 'DELETE' })
  })

  test('collections do not see each other', async () => {
    if (engine.line === null) await fetch(`${server.url}/v1/collections`, { method: 'POST', body: JSON.stringify({ name: 'others' }), headers: { 'content-type': 'application/json' } })
    await fetch(`${server.url}/v1/collections/others/documents/theirs.txt`, { method: 'PUT', body: 'A lighthouse of others.' })
    expect((await search({ query: 'lighthouse of others', k: 10 })).passages.map(({ source }) => source)).not.toContain('theirs.txt')
    expect((await get<{ documents: { source: string }[] }>('/documents')).documents.map(({ source }) => source)).not.toContain('theirs.txt')
  })
})

test('the command line indexes, finds, lists and removes on an engine', async () => {
  const double = await startQdrantDouble({ apiKey: 'key-of-qdrant' })
  const folder = mkdtempSync(join(tmpdir(), 'windlass-engine-cli-'))
  try {
    writeFileSync(join(folder, '.env'), `WINDLASS_ENGINE=qdrant:${double.url}/files\nQDRANT_API_KEY=key-of-qdrant\nWINDLASS_BUCKET=file:./bucket\n`)
    writeFileSync(join(folder, 'winches.md'), texts['guide/winches.md'])
    writeFileSync(join(folder, 'bread.md'), texts['guide/bread.md'])
    const repository = join(import.meta.dirname, '../..')
    const windlass = async (...words: string[]) => {
      const child = spawn(process.execPath, ['--import', join(repository, 'node_modules/tsx/dist/loader.mjs'), join(repository, 'src/cli/main.ts'), ...words], { cwd: folder, env: { PATH: process.env.PATH, HOME: folder } })
      let output = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()))
      const code = await new Promise((resolve) => child.on('close', resolve))
      return { code, output }
    }
    expect(await windlass('index', 'winches.md', 'bread.md')).toMatchObject({ code: 0, output: expect.stringContaining('2 new') as string })
    expect((await windlass('search', 'a crank and a drum', '-k', '1')).output).toContain('winches.md')
    expect((await windlass('ls', 'docs')).output).toMatch(/bread\.md .*1 chunk/)
    expect((await windlass('rm', 'docs', 'bread.md')).output).toContain('removed bread.md')
    expect((await windlass('ls', 'docs')).output).not.toContain('bread.md')
    expect((await windlass('rm', 'docs')).output).toContain('removed 1 document of docs')
    expect([...double.collections.get('files')!.points.values()]).toEqual([])
  } finally {
    await double.close()
    rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)
