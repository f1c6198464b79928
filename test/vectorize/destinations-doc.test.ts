import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readDeclaration } from '../../src/vectorize/declaration/read-declaration.ts'
import { parseEngine } from '../../src/vectorize/destinations/parse-engine.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/destinations.md'), 'utf8')

test('the example of the documentation is a declaration of five destinations', () => {
  const { vectorizers } = readDeclaration(/```yaml\n(.*?)```/s.exec(page)![1]!, 'windlass.yaml')
  expect(vectorizers[0]!.destinations.map(({ type }) => type)).toEqual(['collection', 's3vectors', 'qdrant', 'opensearch', 'opensearch'])
})

test('two destinations that are one are told', () => {
  const twice = (second: string) => () => readDeclaration(`version: 1\nvectorizers: [{ name: a, source: { type: folder, path: . }, destinations: [{ type: qdrant, url: 'http://a:6333', collection: b }, ${second}] }]`, 'windlass.yaml')
  expect(twice("{ type: qdrant, url: 'http://a:6333', collection: b }")).toThrow(/the same as destinations\[0\]/)
  expect(twice("{ type: qdrant, url: 'http://a:6333', collection: c }")).not.toThrow()
})

test.each([
  ['qdrant:http://127.0.0.1:6333/files', {}, { type: 'qdrant', url: 'http://127.0.0.1:6333', collection: 'files' }],
  ['qdrant:https://host/prefix/files', { QDRANT_API_KEY: 'x' }, { type: 'qdrant', url: 'https://host/prefix', collection: 'files', apiKeyVariable: 'QDRANT_API_KEY' }],
  ['s3vectors:company-vectors/files', {}, { type: 's3vectors', bucket: 'company-vectors', index: 'files' }],
  ['s3vectors:http://127.0.0.1:8901/vectors/files', { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }, { type: 's3vectors', bucket: 'vectors', index: 'files', endpoint: 'http://127.0.0.1:8901', region: 'us-east-1', accessKeyIdVariable: 'AWS_ACCESS_KEY_ID', secretAccessKeyVariable: 'AWS_SECRET_ACCESS_KEY' }],
  ['opensearch:https://host:9200/files', {}, { type: 'opensearch', url: 'https://host:9200', index: 'files', auth: { type: 'none' } }],
  ['opensearch:https://host:9200/files', { OPENSEARCH_USER: 'a', OPENSEARCH_PASSWORD: 'b' }, { auth: { type: 'basic', userVariable: 'OPENSEARCH_USER', passwordVariable: 'OPENSEARCH_PASSWORD' } }],
  ['opensearch:https://abc.eu-west-1.aoss.amazonaws.com/files', {}, { auth: { type: 'aws', service: 'aoss' } }],
  ['opensearch:https://search-x.eu-west-1.es.amazonaws.com/files', {}, { auth: { type: 'aws', service: 'es' } }],
])('the line %s with %o names a destination', (line, environment, expected) => {
  expect(parseEngine(line, environment)).toMatchObject(expected)
})

test.each(['', 'qdrant', 'qdrant:files', 'qdrant:ftp://host/files', 's3vectors:files', 'collection:x/docs', 'opensearch:https://host/Upper', 'qdrant:http://user:hunter2@host/files'])('the line %s names none, and is not repeated', (line) => {
  const error = (() => {
    try {
      return void parseEngine(line, {})
    } catch (each) {
      return each as Error
    }
  })()
  if (line.includes('hunter2')) expect(error?.message ?? '').not.toContain('hunter2')
  else expect(error).toMatchObject({ kind: 'invalid', message: expect.stringMatching(/^engine is not of the form/) as string })
})
