import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readDeclaration } from '../../src/vectorize/declaration/read-declaration.ts'

const [source, uris, destinations] = [...readFileSync(join(import.meta.dirname, '../../docs/postgres.md'), 'utf8').matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => text!)

test('the examples of the documentation are declarations', () => {
  const { vectorizers } = readDeclaration(`version: 1\n${source}`, 'windlass.yaml')
  expect(vectorizers[0]!.source).toMatchObject({ type: 'postgres', table: 'app.articles', loading: { column: 'body' } })
  const byUri = source!.replace(/ {6}loading: .*\n/, uris!)
  expect(readDeclaration(`version: 1\n${byUri}`, 'windlass.yaml').vectorizers[0]!.source).toMatchObject({ loading: { uri: 'location', allowHosts: ['docs.example.com'], roots: ['./files'] } })
  const stored = source!.replace(/ {4}destinations:[^]*$/, destinations!)
  expect(readDeclaration(`version: 1\n${stored}`, 'windlass.yaml').vectorizers[0]!.destinations).toMatchObject([{ type: 'pgvector', table: 'search.passages', index: 'hnsw', documents: { table: 'app.document', uri: 'uri', title: 'title', updatedAt: 'updated_at' } }])
})

test('two tables of one database are two destinations', () => {
  const read = (...tables: string[]) =>
    readDeclaration(JSON.stringify({ version: 1, vectorizers: [{ name: 'a', source: { type: 'folder', path: '.' }, destinations: tables.map((table) => ({ type: 'pgvector', urlVariable: 'DB', table })) }] }), 'windlass.json')
  expect(read('a', 'b').vectorizers[0]!.destinations).toHaveLength(2)
  expect(() => read('a', 'a')).toThrow(/the same as destinations\[0\]/)
})
