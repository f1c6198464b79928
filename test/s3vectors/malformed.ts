import type { OperationName } from '../../src/api/s3vectors/model.ts'
import { inputShapes } from '../../src/api/s3vectors/model.ts'
import type { Shape } from '../../src/api/s3vectors/shapes.ts'

/** A request that no server may take: what was done to it, and its bytes. */
export interface Malformed {
  readonly operation: OperationName
  readonly fault: string
  readonly method: string
  readonly path: string
  readonly body: string | Uint8Array<ArrayBuffer> | null
}

type Json = unknown
/** Words that are no JSON, or numbers that no parser of ours should write: put in place of their names after the writing. */
const tokens = { '@NaN': 'NaN', '@Infinity': '-Infinity', '@huge': '1e400', '@long': '9'.repeat(400), '@hex': '0x10', '@deep': deep(60), '@deeper': deep(5000), '@lists': deepLists(5000) } as const
const float32 = [1, 2]
const place = { vectorBucketName: 'malformed', indexName: 'index' }
const bucket = { vectorBucketName: 'malformed' }
const arn = 'arn:aws:s3vectors:us-east-1:000000000000:bucket/malformed'

/** A request of each operation that would be taken, with every member that can stand beside the others. */
export const validInputs: Readonly<Record<OperationName, Readonly<Record<string, Json>>>> = {
  CreateVectorBucket: { vectorBucketName: 'another', encryptionConfiguration: { sseType: 'AES256' }, tags: { a: 'b' } },
  GetVectorBucket: bucket,
  ListVectorBuckets: { maxResults: 5, prefix: 'mal' },
  DeleteVectorBucket: bucket,
  PutVectorBucketPolicy: { ...bucket, policy: '{"Version":"2012-10-17","Statement":[]}' },
  GetVectorBucketPolicy: bucket,
  DeleteVectorBucketPolicy: bucket,
  PutVectorBucketDefaultIndexMode: { ...bucket, defaultIndexMode: 'ENHANCED' },
  CreateIndex: {
    ...bucket,
    indexName: 'another',
    dataType: 'float32',
    dimension: 2,
    distanceMetric: 'cosine',
    metadataConfiguration: { nonFilterableMetadataKeys: ['a'], textSearchConfigurations: [{ metadataKey: 'b', language: 'en' }] },
    encryptionConfiguration: { sseType: 'AES256' },
    tags: { a: 'b' },
  },
  GetIndex: place,
  ListIndexes: { ...bucket, maxResults: 5, prefix: 'ind' },
  DeleteIndex: place,
  UpdateIndexMode: { ...place, indexMode: 'ENHANCED' },
  UpdateMetadataConfiguration: { ...place, add: { textSearchConfigurations: [{ metadataKey: 'title', language: 'en' }] } },
  PutVectors: { ...place, vectors: [{ key: 'a', data: { float32 }, metadata: { n: 1 } }] },
  GetVectors: { ...place, keys: ['kept'], returnData: true, returnMetadata: true },
  DeleteVectors: { ...place, keys: ['kept'] },
  ListVectors: { ...place, maxResults: 5, segmentCount: 2, segmentIndex: 1, returnData: true, returnMetadata: true },
  QueryVectors: { ...place, topK: 3, queryVector: { float32 }, filter: { n: { $gt: 0 } }, queryMode: 'ENHANCED', returnMetadata: true, returnDistance: true, returnScores: false },
  ListTagsForResource: { resourceArn: arn },
  TagResource: { resourceArn: arn, tags: { a: 'b' } },
  UntagResource: { resourceArn: arn, tagKeys: ['a'] },
}

const strangers: readonly (readonly [string, Json])[] = [['a number', 7], ['true', true], ['a list', [1]], ['an object', { a: 1 }], ['a long number', '@long']]
const notNumbers: readonly (readonly [string, Json])[] = [['text', '1'], ['NaN as text', 'NaN'], ['the word NaN', '@NaN'], ['the word -Infinity', '@Infinity'], ['1e400', '@huge'], ['a hexadecimal', '@hex'], ['a half', 1.5], ['an object', {}], ['a list', [1]], ['false', false]]

/** Values that a member of this shape must not have. */
function wrongValues(shape: Shape): (readonly [string, Json])[] {
  switch (shape.type) {
    case 'string':
      return [
        ...strangers,
        ...(shape.min ? ([['too short', '']] as const) : []),
        ...(shape.max ? ([['too long', 'x'.repeat(shape.max + 1)], ['a megabyte', 'x'.repeat(1 << 20)]] as const) : []),
        ...(shape.values ? ([['no such value', 'none'], ['wrong case', shape.values[0]!.toUpperCase() === shape.values[0] ? shape.values[0]!.toLowerCase() : shape.values[0]!.toUpperCase()]] as const) : []),
        ...(shape.pattern ? ([['out of pattern', '\u0000<>*']] as const) : []),
      ]
    case 'integer':
      return [...notNumbers, ...(shape.min === undefined ? [] : ([['too small', shape.min - 1]] as const)), ...(shape.max === undefined ? [] : ([['too large', shape.max + 1]] as const)), ['below all', -1e308]]
    case 'boolean':
      return [['text', 'true'], ['1', 1], ['an object', {}], ['a list', []], ['the word NaN', '@NaN']]
    case 'list':
      return [['an object', {}], ['text', 'x'], ['a number', 1], ...(shape.min ? ([['empty', []]] as const) : []), ...(shape.max ? ([['too many', Array.from({ length: shape.max + 1 }, () => valid(shape.of))]] as const) : [])]
    case 'map':
      return [['a list', []], ['text', 'x'], ['a number', 1], ['a key that is too long', { ['k'.repeat(200)]: 'v' }], ['a key out of pattern', { '<>': 'v' }], ['a list inside', { a: [1] }], ['too many', Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, 'v']))]]
    case 'structure':
      return [['a list', []], ['text', 'x'], ['a number', 1], ['true', true]]
    case 'document':
      return [['a list', []], ['text', 'x'], ['a number', 1], ['null inside', { a: null }], ['deep', '@deep'], ['deeper', '@deeper'], ['deep inside', { a: '@lists' }], ['the word NaN inside', { a: '@NaN' }], ['1e400 inside', { a: '@huge' }], ['an unknown operator, or an object', { a: { $where: 'x' } }]]
    case 'vector':
      return [
        ['a list', [1, 2]],
        ['text', 'x'],
        ['empty', {}],
        ['another member', { float64: [1, 2] }],
        ['no list', { float32: 'x' }],
        ['too short', { float32: [1] }],
        ['too long', { float32: [1, 2, 3] }],
        ['nothing in it', { float32: [] }],
        ['a hundred thousand', { float32: Array.from({ length: 100_000 }, () => 0.5) }],
        ['beyond float32', { float32: [1e39, 1] }],
        ['zero on cosine', { float32: [0, 0] }],
        ['null in it', { float32: [null, 1] }],
        ...notNumbers.filter(([name]) => name !== 'a half').map(([name, value]) => [`${name} in it`, { float32: [1, value] }] as const),
      ]
  }
}

function valid(shape: Shape): Json {
  switch (shape.type) {
    case 'string':
      return shape.values?.[0] ?? 'x'
    case 'structure':
      return Object.fromEntries((shape.required ?? []).map((name) => [name, valid(shape.members[name]!)]))
    case 'vector':
      return { float32 }
    default:
      return {}
  }
}

/** As text: a writer of JSON would give up first. */
function deep(levels: number): string {
  return `${'{"$and":['.repeat(levels)}{"a":1}${']}'.repeat(levels)}`
}

function deepLists(levels: number): string {
  return '['.repeat(levels) + ']'.repeat(levels)
}

type Change = (input: Json) => Json

/** Every way to be wrong in one place, all through a shape. `present` is what a valid request has there. */
function* faults(shape: Shape, present: Json, path: string): Iterable<{ fault: string; change: Change }> {
  for (const [name, value] of wrongValues(shape)) yield { fault: `${path || 'body'}: ${name}`, change: () => value }
  if (shape.type === 'structure') {
    for (const name of shape.required ?? []) {
      yield { fault: `${path}/${name}: missing`, change: (input) => Object.fromEntries(Object.entries(input as object).filter(([key]) => key !== name)) }
      yield { fault: `${path}/${name}: null`, change: (input) => ({ ...(input as object), [name]: null }) }
    }
    for (const [name, member] of Object.entries(shape.members)) {
      const inner = (present as Record<string, Json> | undefined)?.[name]
      for (const { fault, change } of faults(member, inner, `${path}/${name}`)) yield { fault, change: (input) => ({ ...(input as object), [name]: change(inner ?? valid(member)) }) }
    }
  }
  if (shape.type === 'list') {
    const inner = (present as Json[] | undefined)?.[0] ?? valid(shape.of)
    yield { fault: `${path}/0: null`, change: () => [null] }
    for (const { fault, change } of faults(shape.of, inner, `${path}/0`)) yield { fault, change: () => [change(inner)] }
  }
}

function write(value: Json): string {
  return JSON.stringify(value).replace(/"(@\w+)"/g, (text, name: string) => (name in tokens ? tokens[name as keyof typeof tokens] : text))
}

/** Bodies that are no request of any operation. */
function* brokenBodies(whole: string): Iterable<readonly [string, string | Uint8Array<ArrayBuffer>]> {
  for (const share of [0.1, 0.5, 0.9]) yield [`cut at ${share}`, whole.slice(0, Math.max(1, Math.floor((whole.length - 1) * share)))]
  yield ['more behind it', `${whole}{}`]
  yield ['a list', '[]']
  yield ['a number', '7']
  yield ['text', '"x"']
  yield ['the word NaN', 'NaN']
  // Right but for one byte, in a member that nobody asks for.
  yield ['no UTF-8', Uint8Array.from(`${whole.slice(0, -1)},"x":"\u00ff"}`, (char) => char.charCodeAt(0))]
  yield ['a hundred thousand lists', '['.repeat(100_000)]
  yield ['a hundred thousand objects', '{"a":'.repeat(100_000)]
  yield ['a hundred thousand lists, closed', `{"vectors":${'['.repeat(100_000)}${']'.repeat(100_000)},"a":NaN}`]
}

/** Every malformed request that the model gives. */
export function* malformedRequests(): Iterable<Malformed> {
  for (const operation of Object.keys(inputShapes) as OperationName[]) {
    const input = validInputs[operation]
    const seen = new Set<string>()
    for (const { fault, change } of faults(inputShapes[operation], input, '')) {
      const changed = change(input)
      if (isTag(operation) && typeof changed !== 'object') continue
      const request = requestOf(operation, changed)
      // Beyond 16 KiB the line of the request is refused before any door sees it.
      if (request.path.length > 10_000) continue
      const same = `${request.path}${String(request.body)}`
      if (seen.has(same)) continue
      seen.add(same)
      yield { operation, fault, ...request }
    }
    if (operation === 'ListTagsForResource' || operation === 'UntagResource') continue
    for (const [fault, body] of brokenBodies(write(input))) yield { operation, fault: `body: ${fault}`, ...requestOf(operation, input), body }
  }
}

const isTag = (operation: OperationName) => /Tag|Untag/.test(operation)

/** Tags travel in the path and the query, the rest in the body. */
export function requestOf(operation: OperationName, input: Json): { method: string; path: string; body: string | null } {
  if (!isTag(operation)) return { method: 'POST', path: `/${operation}`, body: write(input) }
  const { resourceArn = '', tagKeys, ...rest } = input as { resourceArn?: Json; tagKeys?: Json }
  const path = `/tags/${encodeURIComponent(typeof resourceArn === 'string' ? resourceArn : write(resourceArn))}`
  if (operation === 'TagResource') return { method: 'POST', path, body: write(rest) }
  if (operation === 'ListTagsForResource') return { method: 'GET', path, body: null }
  const query = (Array.isArray(tagKeys) ? tagKeys : []).map((key) => `tagKeys=${encodeURIComponent(typeof key === 'string' && !key.startsWith('@') ? key : `<${String(write(key))}>`)}`).join('&')
  return { method: 'DELETE', path: query === '' ? path : `${path}?${query}`, body: null }
}
