// Against a real HTTP server that misbehaves as told: what reaches it, and what comes of its answers.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock, type Clock } from '../base/clock.ts'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import { seededRandom } from '../base/random.ts'
import { createOpenAiModel, type OpenAiModelOptions } from './openai-model.ts'

interface Asked {
  readonly model: string
  readonly input: string[]
  readonly encoding_format?: string
  readonly dimensions?: number
  readonly authorization: string | undefined
}

type Behave = (asked: Asked, count: number, response: ServerResponse) => boolean | void

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** A vector that tells its text apart; of length other than 1. */
function vectorFor(text: string, dimension: number): number[] {
  const random = seededRandom([...text].reduce((sum, character) => (sum * 31 + character.codePointAt(0)!) | 0, 7))
  return Array.from({ length: dimension }, () => Math.fround(random.next() * 4 - 2))
}

function normalized(values: number[]): Float32Array {
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
  return Float32Array.from(values, (value) => value / length)
}

async function readJson(request: IncomingMessage): Promise<Omit<Asked, 'authorization'>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString()) as Asked
}

/** @param behave Answers itself and returns true, or leaves it to the server that everything is right. */
async function startServer(behave: Behave = () => false, dimension = 8) {
  const asked: Asked[] = []
  let running = 0
  const state = { asked, runningMax: 0, baseUrl: '' }
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    state.runningMax = Math.max(state.runningMax, ++running)
    response.on('close', () => running--)
    const body = { ...(await readJson(request)), authorization: request.headers.authorization }
    asked.push(body)
    if (behave(body, asked.length, response)) return
    const data = body.input.map((text, index) => {
      const values = vectorFor(text, body.dimensions ?? dimension)
      const bytes = Buffer.alloc(values.length * 4)
      values.forEach((value, i) => bytes.writeFloatLE(value, i * 4))
      return { object: 'embedding', index, embedding: body.encoding_format === 'base64' ? bytes.toString('base64') : values }
    })
    // Out of order: the index tells which text a vector is of.
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ object: 'list', data: data.reverse(), usage: { prompt_tokens: body.input.length * 10 } }))
  }
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  state.baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  closers.push(() => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()))
  return state
}

/** Sleeps are noted and pass at once; the wall clock stands. */
function impatientClock(): Clock & { slept: number[] } {
  let elapsed = 0
  const slept: number[] = []
  return {
    slept,
    now: () => Date.parse('2026-01-01T00:00:00Z'),
    monotonic: () => elapsed,
    sleep: async (ms) => {
      slept.push(ms)
      elapsed += ms
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

const make = (baseUrl: string, more: Partial<OpenAiModelOptions> = {}) => createOpenAiModel({ model: 'some-model', baseUrl, clock: impatientClock(), random: seededRandom(1), ...more })
const fail = (response: ServerResponse, status: number, error: object, headers: Record<string, string> = {}) => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify({ error }))
  return true
}
const isProbe = ({ input }: Asked) => input.length === 1 && input[0] === 'dimension'
const thrown = (task: Promise<unknown>) => task.then(() => { throw new Error('nothing was thrown') }, (error: unknown) => error as WindlassError)

test('vectors come in the order of their texts, at length 1, through batches of at most so many', async () => {
  const server = await startServer()
  const model = await make(server.baseUrl, { batchTexts: 3 })
  const texts = Array.from({ length: 20 }, (_, i) => `text ${i}`)
  const vectors = await model.embed(texts)
  vectors.forEach((vector, i) => normalized(vectorFor(texts[i]!, 8)).forEach((value, j) => expect(vector[j]).toBeCloseTo(value, 6)))
  expect(server.asked.slice(1).map(({ input }) => input.length).sort()).toEqual([2, 3, 3, 3, 3, 3, 3])
  expect(model.name).toBe('openai:some-model@8')
  expect(model.usage()).toMatchObject({ requests: 7, retries: 0, texts: 20, tokens: 200, areTokensEstimated: false, cost: undefined })
})

test('batches hold at most so many tokens; one text that is longer goes alone', async () => {
  const server = await startServer()
  const model = await make(server.baseUrl, { batchTokens: 10 })
  await model.embed(['a b c d', 'e f g h', 'i j k l', 'm '.repeat(30), 'n'])
  expect(server.asked.slice(1).map(({ input }) => input.length).sort()).toEqual([1, 1, 1, 2])
})

test('blank texts are zeros, and no request', async () => {
  const server = await startServer()
  const model = await make(server.baseUrl)
  const [empty, full, blank] = await model.embed(['', 'full', ' \n'])
  expect([empty, blank]).toEqual([new Float32Array(8), new Float32Array(8)])
  expect(full!.some((value) => value !== 0)).toBe(true)
  expect(server.asked.at(-1)!.input).toEqual(['full'])
  await model.embed(['', ''])
  expect(server.asked).toHaveLength(2)
})

describe('the dimension', () => {
  test('of a model that is not known is asked for once', async () => {
    const server = await startServer(undefined, 24)
    const model = await make(server.baseUrl)
    expect(model.dimension).toBe(24)
    expect(server.asked.map(({ input }) => input)).toEqual([['dimension']])
  })

  test('that is wanted is asked for with `dimensions` where the model has another', async () => {
    const server = await startServer()
    const model = await make(server.baseUrl, { dimension: 4 })
    expect((await model.embed(['x']))[0]).toHaveLength(4)
    expect(server.asked.map(({ dimensions }) => dimensions)).toEqual([undefined, 4, 4])
  })

  test('that the model cannot give is an error naming both', async () => {
    const server = await startServer(({ dimensions }, _, response) => dimensions !== undefined && fail(response, 400, { message: 'Model does not support matryoshka representation' }))
    expect(await thrown(make(server.baseUrl, { dimension: 4 }))).toMatchObject({ kind: 'invalid', message: expect.stringMatching(/dimension 8.*wants 4/) as string })
    expect(await thrown(createOpenAiModel({ model: 'text-embedding-ada-002', dimension: 256, clock: systemClock, random: seededRandom(1) }))).toMatchObject({ kind: 'invalid', message: expect.stringMatching(/1536.*256/) as string })
  })

  test('of an answer that differs is an error, not a vector', async () => {
    const server = await startServer(({ input }, _, response) => {
      if (input[0] !== 'odd') return false
      response.end(JSON.stringify({ data: [{ index: 0, embedding: [1, 2, 3] }] }))
      return true
    })
    const model = await make(server.baseUrl)
    expect(await thrown(model.embed(['odd']))).toMatchObject({ kind: 'invalid', message: expect.stringMatching(/dimension 3.*wants 8/) as string })
  })

  test("of OpenAI's models is known without a call, as is the price", async () => {
    const sent: unknown[] = []
    const pretend = (async (_url: string, { body }: RequestInit) => {
      sent.push(JSON.parse(body as string))
      return new Response(JSON.stringify({ data: [{ index: 0, embedding: Array.from({ length: 512 }, () => 1) }], usage: { total_tokens: 500_000 } }))
    }) as typeof fetch
    const model = await createOpenAiModel({ model: 'text-embedding-3-small', dimension: 512, clock: impatientClock(), random: seededRandom(1), fetch: pretend })
    expect(sent).toEqual([])
    await model.embed(['x'])
    expect(sent).toEqual([{ model: 'text-embedding-3-small', input: ['x'], encoding_format: 'base64', dimensions: 512 }])
    expect(model.name).toBe('openai:text-embedding-3-small@512')
    expect(model.usage().cost).toBeCloseTo(0.01)
  })
})

test.each([
  ['refuses', (asked: Asked, _: number, response: ServerResponse) => asked.encoding_format === 'base64' && fail(response, 400, { message: "invalid value 'base64' for encoding_format" })],
  ['ignores', (asked: Asked, _: number, response: ServerResponse) => {
    response.end(JSON.stringify({ data: asked.input.map((text, index) => ({ index, embedding: vectorFor(text, 8) })) }))
    return true
  }],
])('a server that %s base64 sends numbers', async (_, behave) => {
  const server = await startServer(behave)
  const model = await make(server.baseUrl)
  const [vector] = await model.embed(['x'])
  expect(vector).toEqual(normalized(vectorFor('x', 8)))
  // Refused once only.
  await model.embed(['y'])
  expect(server.asked.filter(({ input }) => input[0] !== 'dimension').every(({ encoding_format }, i, all) => i === 0 || encoding_format === all.at(-1)!.encoding_format)).toBe(true)
  expect(server.asked.length).toBeLessThanOrEqual(5)
})

describe('trying again', () => {
  const failures: [string, (response: ServerResponse) => void][] = [
    ['429', (response) => fail(response, 429, { message: 'slow', code: 'rate_limit_exceeded' })],
    ['500', (response) => fail(response, 500, { message: 'oh' })],
    ['503', (response) => response.writeHead(503).end('<html>busy</html>')],
    ['a cut connection', (response) => response.destroy()],
    ['a cut body', (response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('{"data":[')
      setImmediate(() => response.destroy())
    }],
    ['a page instead of JSON', (response) => response.end('<html>hello</html>')],
    ['an answer with too few vectors', (response) => response.end('{"data":[]}')],
    ['an answer with holes', (response) => response.end(JSON.stringify({ data: [0, 1, 2].map((index) => ({ index, embedding: [null, 1, 1, 1, 1, 1, 1, 1] })) }))],
    ['an answer with one index twice', (response) => response.end(JSON.stringify({ data: [0, 0, 2].map((index) => ({ index, embedding: [1, 1, 1, 1, 1, 1, 1, 1] })) }))],
  ]
  test.each(failures)('after %s the same batch is sent whole', async (_, misbehave) => {
    const server = await startServer((asked, count, response) => {
      if (isProbe(asked) || count > 3) return false
      misbehave(response)
      return true
    })
    const model = await make(server.baseUrl)
    const vectors = await model.embed(['a', 'b', 'c'])
    expect(server.asked.slice(1).map(({ input }) => input)).toEqual([['a', 'b', 'c'], ['a', 'b', 'c'], ['a', 'b', 'c']])
    expect(model.usage()).toMatchObject({ retries: 2, texts: 3, tokens: 30 })
    vectors[2]!.forEach((value, j) => expect(value).toBeCloseTo(normalized(vectorFor('c', 8))[j]!, 6))
  })

  test.each([
    ['seconds', { 'retry-after': '7' }, 7000],
    ['a date', { 'retry-after': 'Thu, 01 Jan 2026 00:00:11 GMT' }, 11_000],
    ['milliseconds', { 'retry-after-ms': '1500', 'retry-after': '60' }, 1500],
  ])('waits as long as Retry-After says in %s', async (_, headers, ms) => {
    const server = await startServer((asked, count, response) => !isProbe(asked) && count === 2 && fail(response, 429, { message: 'slow' }, headers))
    const clock = impatientClock()
    const model = await make(server.baseUrl, { clock })
    await model.embed(['a'])
    expect(Math.max(...clock.slept)).toBe(ms)
  })

  test('ends after so many attempts, and at once when the wait is beyond the deadline', async () => {
    const server = await startServer((asked, _, response) => !isProbe(asked) && fail(response, 429, { message: 'slow' }, asked.input[0] === 'late' ? { 'retry-after': '86400' } : {}))
    const model = await make(server.baseUrl)
    expect(await thrown(model.embed(['a']))).toMatchObject({ kind: 'unavailable', message: expect.stringContaining('tried 10 times') as string })
    const before = server.asked.length
    expect(await thrown(model.embed(['late']))).toMatchObject({ kind: 'unavailable', details: { status: 429, retryAfterMs: 86_400_000 } })
    expect(server.asked.length).toBe(before + 1)
  })

  test('a used-up quota, a refused key and an unknown model are told at once', async () => {
    let answer: [number, object] = [429, { message: 'You exceeded your current quota', code: 'insufficient_quota' }]
    const server = await startServer((asked, _, response) => !isProbe(asked) && fail(response, ...answer))
    const model = await make(server.baseUrl, { apiKey: 'sk-secret-1234' })
    for (const [status, body, kind] of [[429, answer[1], 'denied'], [401, { message: 'Incorrect API key provided: sk-secret-1234' }, 'unauthenticated'], [404, { message: 'no such model' }, 'not-found']] as const) {
      answer = [status, body]
      const before = server.asked.length
      const error = await thrown(model.embed(['a']))
      expect(error.kind).toBe(kind)
      expect(server.asked.length).toBe(before + 1)
      expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain('sk-secret')
    }
    expect(server.asked[0]!.authorization).toBe('Bearer sk-secret-1234')
  })

  test('a server that is silent is given up after a while', async () => {
    const server = await startServer((asked) => !isProbe(asked))
    const model = await make(server.baseUrl, { requestTimeoutMs: 50, retry: { attemptsMax: 2, baseMs: 1, waitMaxMs: 1, deadlineMs: 1000 } })
    expect(await thrown(model.embed(['a']))).toMatchObject({ kind: 'unavailable', message: expect.stringContaining('no answer within') as string })
  })

  test('the caller can stop it', async () => {
    const server = await startServer((asked) => !isProbe(asked))
    const model = await make(server.baseUrl, { batchTexts: 1 })
    const controller = new AbortController()
    const work = thrown(model.embed(['a', 'b', 'c', 'd', 'e', 'f', 'g'], { signal: controller.signal }))
    while (server.asked.length < 5) await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    expect((await work).kind).toBe('cancelled')
  })
})

describe('texts that the server does not take', () => {
  const long = 'long '.repeat(50)
  test('are found by halving; the others have their vectors', async () => {
    const server = await startServer((asked, _, response) => asked.input.includes(long) && fail(response, 400, { message: "This model's maximum context length is 32 tokens", code: 'context_length_exceeded' }))
    const model = await make(server.baseUrl)
    const texts = ['a', 'b', long, 'c', 'd', 'e', 'f', 'g']
    const outcomes = await model.embedEach(texts)
    expect(outcomes.map((outcome) => isWindlassError(outcome, 'too-large'))).toEqual(texts.map((text) => text === long))
    expect((outcomes[2] as WindlassError).details.path).toBe('texts.2')
    outcomes.forEach((outcome, i) => i !== 2 && (outcome as Float32Array).forEach((value, j) => expect(value).toBeCloseTo(normalized(vectorFor(texts[i]!, 8))[j]!, 6)))
    expect(await thrown(model.embed(texts))).toMatchObject({ kind: 'too-large' })
  })

  test('a batch with too many tokens is halved until it fits', async () => {
    const server = await startServer((asked, _, response) => asked.input.length > 4 && fail(response, 400, { message: 'Requested 9 tokens, max 4 tokens per request', code: 'max_tokens_per_request' }))
    const model = await make(server.baseUrl)
    const texts = Array.from({ length: 16 }, (_, i) => `t${i}`)
    expect((await model.embed(texts)).every((vector) => vector.some((value) => value !== 0))).toBe(true)
    expect(model.usage().texts).toBe(16)
  })

  test('without a reason count as theirs only once the server has taken others', async () => {
    const server = await startServer((asked, _, response) => asked.input.some((text) => text.startsWith('bad')) && fail(response, 400, { message: 'cannot' }))
    const model = await make(server.baseUrl)
    expect(await thrown(model.embedEach(['bad', 'x']))).toMatchObject({ kind: 'invalid' })
    await model.embed(['fine'])
    expect((await model.embedEach(['bad', 'x'])).map((outcome) => outcome instanceof WindlassError)).toEqual([true, false])
  })
})

test('at most so many requests run at once', async () => {
  const server = await startServer((asked, _, response) => {
    if (isProbe(asked)) return false
    setTimeout(() => response.end(JSON.stringify({ data: [{ index: 0, embedding: vectorFor('x', 8) }] })), 5)
    return true
  })
  const model = await make(server.baseUrl, { batchTexts: 1, requestsAtOnce: 3 })
  await model.embed(Array.from({ length: 30 }, (_, i) => `${i}`))
  expect(server.runningMax).toBe(3)
})

test('a key that no header can hold is refused without being shown', async () => {
  const error = await thrown(make('http://127.0.0.1:9', { apiKey: 'sk-secret\nvalue' }))
  expect(error.kind).toBe('invalid')
  expect(String(error)).not.toContain('secret')
})

test('tokens are estimated without a tokenizer', async () => {
  const server = await startServer()
  const model = await make(server.baseUrl)
  // Counted with cl100k_base.
  expect(model.countTokens('')).toBe(0)
  expect(model.countTokens('The windlass hauls the anchor up from the sea, 12345 metres deep.')).toBeGreaterThanOrEqual(14)
  expect(model.countTokens('The windlass hauls the anchor up from the sea, 12345 metres deep.')).toBeLessThanOrEqual(20)
  expect(model.countTokens('日本語の文章です')).toBeGreaterThanOrEqual(6)
})
