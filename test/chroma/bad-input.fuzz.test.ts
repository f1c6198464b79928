// Whatever is sent, the answer is one of the calls' own, or a refusal that says why: never 500, and never more memory than a request may take.
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chromaRoutes } from '../../src/api/chroma/chroma-api.ts'
import { TestChroma } from './testing.ts'

const runs = Number(process.env.WINDLASS_FUZZ_RUNS ?? 400)
let door: TestChroma
let id: string
const base = '/tenants/default_tenant/databases/default_database/collections'
beforeAll(async () => {
  door = await TestChroma.start({ 'allow-reset': 'false' })
  id = ((await door.call('POST', base, { name: 'ships' })).json as { id: string }).id
  const ids = Array.from({ length: 200 }, (_, i) => `k${i}`)
  await door.call('POST', `${base}/${id}/add`, { ids, embeddings: ids.map((_, i) => [i, 1, 2]), documents: ids.map((each) => `${'a'.repeat(500)} ${each}`), metadatas: ids.map((_, i) => ({ n: i, s: 'x', l: ['p', 'q'] })) })
})
afterAll(() => door.stop())

const valid: Record<string, object> = {
  add: { ids: ['a', 'b'], embeddings: [[1, 2, 3], [4, 5, 6]], documents: ['x', null], metadatas: [{ a: 1, b: [1, 2], c: { '#type': 'sparse_vector', indices: [1], values: [2] } }, null], uris: ['u', null] },
  upsert: { ids: ['a'], embeddings: ['AACAPwAAAEAAAEBA'], metadatas: [{ a: null }] },
  update: { ids: ['a', 'z'], embeddings: [[1, 2, 3], null] },
  get: { ids: ['k1'], where: { $and: [{ n: { $gte: 1 } }, { s: { $in: ['x'] } }, { l: { $contains: 'p' } }] }, where_document: { $or: [{ $contains: 'k1' }, { $regex: 'k.$' }] }, limit: 2, offset: 0, include: ['documents', 'embeddings'] },
  query: { query_embeddings: [[1, 2, 3]], n_results: 2, where: { n: 1 } },
  delete: { where: { n: -1 }, limit: 1 },
  search: { searches: [{ filter: { query_ids: ['k1'], where_clause: { n: 1 } }, rank: { $sum: [{ $knn: { query: [1, 2, 3], limit: 2 } }, { $val: 1 }] }, group_by: { keys: ['s'], aggregate: { $min_k: { keys: ['#score'], k: 1 } } }, limit: { limit: 2 }, select: { keys: ['#score'] } }] },
  fork: { new_name: 'a..b' },
}

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(null, -1, 1e309, 2 ** 53, '', 'x'.repeat(2000), [], {}, [[]], [null], { $and: [{}] }, { $regex: '(a*)*b' }, { $regex: '(?:x{1000}){1000}' }, { $contains: '' }, { __proto__: 1 }, [1, 'a'], 'AAAA', { '#type': 'sparse_vector' }, '\ud800', ['#score']),
)

/** `value` with one part of it replaced. */
function replaced(value: unknown, path: number[], by: unknown): unknown {
  const [step = 0, ...rest] = path
  if (typeof value !== 'object' || value === null || path.length === 0) return by
  const keys = Object.keys(value)
  if (keys.length === 0) return by
  const key = keys[step % keys.length]!
  const inner = replaced((value as Record<string, unknown>)[key], rest, by)
  return Array.isArray(value) ? value.map((each, i) => (String(i) === key ? inner : each)) : { ...value, [key]: inner }
}

async function expectAnswer(method: string, path: string, body?: string): Promise<void> {
  const response = await fetch(`${door.server.url}/api/v2${path}`, { method, headers: { 'content-type': 'application/json' }, ...(body !== undefined && { body }) })
  const text = await response.text()
  expect(response.status, `${method} ${path} ${body?.slice(0, 300)}: ${text.slice(0, 300)}`).toBeLessThan(500)
  if (response.status >= 400 && text !== '') expect(JSON.parse(text), path).toEqual({ error: expect.any(String) as string, message: expect.any(String) as string })
}

test('bodies with one part replaced', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...Object.keys(valid)), fc.array(fc.nat({ max: 7 }), { maxLength: 5 }), junk, async (call, path, by) => {
      await expectAnswer('POST', `${base}/${id}/${call}`, JSON.stringify(replaced(valid[call], path, by)))
    }),
    { numRuns: runs },
  )
})

test('every call with any body and any names', { timeout: 120_000 }, async () => {
  const name = fc.oneof(fc.constantFrom('default_tenant', 'default_database', 'ships', '%00', '..%2F', '%zz', '😀', 'x'.repeat(600)), fc.string().map(encodeURIComponent)).filter((each) => each !== '' && each !== '.' && each !== '..')
  const body = fc.oneof(fc.json(), fc.string(), fc.constantFrom('', '{', '[', '{"ids":', '\u0000', '['.repeat(10_000), '{"a":'.repeat(5000), '9'.repeat(5000), `{"name":"${'x'.repeat(5000)}"}`))
  const routes = chromaRoutes.filter(({ method, path }) => !(method === 'DELETE' && path.endsWith('{database}')))
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...routes), fc.array(name, { minLength: 3, maxLength: 3 }), fc.boolean(), body, async ({ method, path }, names, isOurs, sent) => {
      let i = 0
      const filled = path.replace(/\{(\w+)\}/g, (_, part: string) => (isOurs && part === 'collection' ? id : isOurs && part !== 'crn' ? `default_${part}` : names[i++ % 3]!))
      if (method === 'DELETE' && filled.endsWith('/ships')) return
      await expectAnswer(method, filled, method === 'GET' || method === 'DELETE' ? undefined : sent)
    }),
    { numRuns: runs },
  )
})

test('a pattern that takes others forever takes linear time here, and others are served meanwhile', { timeout: 60_000 }, async () => {
  for (const pattern of ['(a+)+$', '(a|a)*b', '(.*)*(.*)*(.*)*x', '(a{1,30}){1,30}b']) {
    const [, heartbeat] = await Promise.all([expectAnswer('POST', `${base}/${id}/get`, JSON.stringify({ where_document: { $regex: pattern }, include: [] })), door.call('GET', '/heartbeat')])
    expect(heartbeat.status).toBe(200)
  }
})

test('a body that is too large is cut off', { timeout: 60_000 }, async () => {
  const part = new TextEncoder().encode(`"${'x'.repeat(1 << 20)}",`)
  let sent = 0
  const body = new ReadableStream({ pull: (controller) => (sent++ < 120 ? controller.enqueue(part) : controller.close()) })
  const answer = await fetch(`${door.server.url}/api/v2${base}/${id}/get`, { method: 'POST', headers: { 'content-type': 'application/json' }, body, duplex: 'half' } as RequestInit).then(
    async (response) => ({ status: response.status, json: (await response.json()) as unknown }),
    () => null,
  )
  // The server answers before it has read everything; a client that goes on writing may see the connection end first.
  if (answer) expect(answer).toMatchObject({ status: 413, json: { error: 'BatchSizeExceededError' } })
  expect(sent).toBeLessThan(121)
})

test('it still holds what it held', async () => {
  expect((await door.call('POST', `${base}/${id}/get`, { ids: ['k7'], include: ['documents'] })).json).toMatchObject({ ids: ['k7'] })
})
