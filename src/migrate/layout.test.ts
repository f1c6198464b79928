import { describe, expect, test } from 'vitest'
import { toUtf8 } from '../base/bytes.ts'
import { usualFields } from './fields.ts'
import { readPieces, readWhole, type LayoutItem } from './layout.ts'

const context = { fields: usualFields, name: 'a/b' }

async function read(value: unknown, fields = usualFields): Promise<LayoutItem[]> {
  const bytes = value instanceof Uint8Array ? value : toUtf8(typeof value === 'string' ? value : JSON.stringify(value))
  const items: LayoutItem[] = []
  for await (const item of readWhole(bytes, { ...context, fields })) items.push(item)
  return items
}

/** The same text as one too long to be read as a whole. */
async function readLong(value: unknown, pieceLength = 7): Promise<LayoutItem[]> {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const head = Math.min(60, text.length)
  const texts = (async function* () {
    yield text.slice(0, head)
    for (let at = head; at < text.length; at += pieceLength) yield text.slice(at, at + pieceLength)
  })()
  const items: LayoutItem[] = []
  for await (const item of readPieces(texts, context)) items.push(item)
  return items
}

const short = (items: readonly LayoutItem[]) => items.map(({ layout, read }) => ('reason' in read ? { layout, reason: read.reason } : { layout, key: read.record.key, vector: [...read.record.vector], metadata: read.record.metadata, document: read.record.document }))

describe('a record', () => {
  test.each([
    [{ id: 'x', embedding: [1, 2], metadata: { a: 1 }, text: 't' }, { key: 'x', metadata: { a: 1 }, document: 't' }],
    [{ key: 'x', vector: [1, 2], meta: { a: 1 }, content: 't' }, { key: 'x', metadata: { a: 1 }, document: 't' }],
    [{ file_id: 'x', values: [1, 2], document: 't', a: 1 }, { key: 'x', metadata: { a: 1 }, document: 't' }],
    [{ id: 7, embeddings: [1, 2], chunk: 't' }, { key: '7', metadata: {}, document: 't' }],
    // The text may be in the metadata; what stands beside it is kept, and what the metadata says goes first.
    [{ id: 'x', embedding: [1, 2], metadata: { text: 't', a: 1 }, a: 2, filename: 'f.pdf' }, { key: 'x', metadata: { a: 1, filename: 'f.pdf' }, document: 't' }],
    // Without an id it is called as its object is.
    [{ embedding: [1, 2] }, { key: 'a/b', metadata: {}, document: undefined }],
    [[1, 2], { key: 'a/b', metadata: {}, document: undefined }],
    [{ id: 'x', embedding: 'AACAPwAAAEA=' }, { key: 'x', metadata: {}, document: undefined }],
    [{ id: 'x', embedding: [1, 2], metadata: { a: -0, deep: [{ b: null }] } }, { key: 'x', metadata: { a: 0, deep: [{ b: null }] }, document: undefined }],
  ])('%j', async (value, expected) => {
    expect(short(await read(value))).toEqual([{ layout: 'one record', vector: [1, 2], ...expected }])
  })

  test('by names that a person gives', async () => {
    const fields = { vector: ['v'], id: ['name'], text: ['words'], metadata: ['facts'] }
    expect(short(await read({ v: [1], embedding: [9, 9], name: 'n', id: 'other', words: 'w', facts: { f: 1 } }, fields))).toEqual([{ layout: 'one record', key: 'n', vector: [1], metadata: { f: 1, embedding: [9, 9], id: 'other' }, document: 'w' }])
  })

  test('names its model', async () => {
    expect((await read({ id: 'x', embedding: [1], metadata: { embedding_model: 'm' } }))[0]!.read).toMatchObject({ model: 'm' })
  })
})

const records = [
  { id: 'x', embedding: [1] },
  { id: 'y', embedding: [2], n: 1 },
]
const expected = (layout: string) => [
  { layout, key: 'x', vector: [1], metadata: {}, document: undefined },
  { layout, key: 'y', vector: [2], metadata: { n: 1 }, document: undefined },
]

describe.each([
  ['as a whole', read],
  ['in pieces', readLong],
])('many records, %s', (_, reader: (value: unknown) => Promise<LayoutItem[]>) => {
  test('an array', async () => expect(short(await reader(records))).toEqual(expected('array')))
  test('lines', async () => expect(short(await reader(records.map((each) => `${JSON.stringify(each)}\r\n`).join('\n')))).toEqual(expected('lines')))
  test('a list in a member', async () => expect(short(await reader({ vectors: records }))).toEqual(expected('list in vectors')))
  test('members by id', async () => expect(short(await reader({ x: [1], y: { embedding: [2], n: 1 } }))).toEqual(expected('members')))
  test('members by id, with a list of a known name in one of them', async () => {
    const items = short(await reader({ x: { embedding: [1], chunks: [{ a: '}"' }] }, y: { embedding: [2], items: [[1]] } }))
    expect(items).toMatchObject([{ layout: 'members', key: 'x', vector: [1] }, { layout: 'members', key: 'y', vector: [2] }])
  })
  test('a list in a member behind others', async () => expect(short(await reader({ 'a "[{': { items: [[1]] }, n: [1], vectors: records })).map((item) => ('key' in item ? item.key : item))).toEqual(['x', 'y']))
  test('a byte order mark', async () => expect(short(await reader(`\uFEFF${JSON.stringify(records)}`))).toEqual(expected('array')))
  test('an array that ends early gives what was whole', async () => {
    const items = short(await reader(JSON.stringify(records).slice(0, -8)))
    expect(items[0]).toEqual(expected('array')[0])
    expect(items.slice(1)).toEqual([{ layout: 'array', reason: 'the JSON ends before its last bracket' }])
  })
  test('one bad line among good ones', async () => {
    const items = short(await reader(`${JSON.stringify(records[0])}\n{"id": nonsense}\n${JSON.stringify(records[1])}\n`))
    expect(items.map((item) => ('reason' in item ? 'bad' : item.key))).toEqual(['x', 'bad', 'y'])
  })
})

test('what is told of the whole object is told of its records', async () => {
  const items = await read({ file_id: 'F', metadata: { owner: 'o' }, model: 'm', chunks: [{ embedding: [1], text: 'a' }, { id: 'own', embedding: [2], metadata: { owner: 'p' } }] })
  expect(short(items)).toEqual([
    { layout: 'list in chunks', key: 'a/b#0', vector: [1], metadata: { file_id: 'F', model: 'm', owner: 'o' }, document: 'a' },
    { layout: 'list in chunks', key: 'own', vector: [2], metadata: { file_id: 'F', model: 'm', owner: 'p' }, document: undefined },
  ])
  expect(items[0]!.read).toMatchObject({ model: 'm' })
})

test('parallel lists, as Chroma answers them', async () => {
  expect(short(await read({ ids: ['x', 'y'], embeddings: [[1], [2]], metadatas: [null, { n: 1 }], documents: ['t', null] }))).toEqual([
    { layout: 'parallel lists', key: 'x', vector: [1], metadata: {}, document: 't' },
    { layout: 'parallel lists', key: 'y', vector: [2], metadata: { n: 1 }, document: undefined },
  ])
})

describe('what cannot be read says why', () => {
  test.each([
    ['', 'it is empty'],
    ['{"id": "x", "embedding": [1,', /JSON/],
    ['{"id":"x","embedding":[NaN]}', /JSON/],
    [{ id: 'x', embedding: [1, null] }, 'embedding: value 1 is null, expected a number'],
    [{ id: 'x', embedding: [] }, 'embedding: the list is empty'],
    [{ id: 'x', embedding: '@@' }, 'embedding: a text, expected a list of numbers, or base 64'],
    [{ id: 'x', embedding: 'AACAPwAA' }, 'embedding: 6 bytes of base 64, expected a multiple of 4'],
    [{ id: 'x', text: 'no vector' }, /^no vector: it has id, text, expected one of embedding/],
    [['text'], 'a text, expected an object with a vector in it'],
    [new Uint8Array([0x1f, 0x8b, 8, 0]), 'gzip: decompress it first'],
    [new Uint8Array([0x89, 0x50, 0xff]), 'it is not UTF-8'],
  ])('%j', async (value, reason) => {
    const items = short(await read(value))
    expect(items).toHaveLength(1)
    expect(items[0]).toMatchObject({ reason: typeof reason === 'string' ? reason : expect.stringMatching(reason) })
  })
})
