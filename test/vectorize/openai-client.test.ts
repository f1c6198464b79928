import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { OpenAiClient, type OpenAiConnection, type OpenAiRequest } from '../../src/vectorize/destinations/openai/openai-client.ts'
import { readWaitMs, redact } from '../../src/vectorize/destinations/openai/openai-errors.ts'
import { startOpenAiDouble, type OpenAiDouble, type OpenAiDoubleOptions } from '../doubles/openai/double.ts'

const open: OpenAiDouble[] = []
afterEach(async () => {
  for (const double of open.splice(0)) await double.close()
})

const list: OpenAiRequest = { method: 'GET', path: '/files', operation: 'list files' }
const make: OpenAiRequest = { method: 'POST', path: '/vector_stores', operation: 'make', json: { name: 'a' }, repeat: 'refused' }

/** Sleeps take no time and are noted. */
async function start(options: OpenAiDoubleOptions = {}, connection: Partial<OpenAiConnection> = {}) {
  const double = await startOpenAiDouble(options)
  open.push(double)
  const slept: number[] = []
  let elapsed = 0
  const clock = {
    now: () => systemClock.now(),
    monotonic: () => elapsed,
    sleep: async (ms: number) => {
      slept.push(ms)
      elapsed += ms
      await Promise.resolve()
    },
  }
  return { ...double, slept, client: new OpenAiClient({ apiKey: double.key, baseUrl: double.url, clock, random: seededRandom(1), ...connection }) }
}

test.each(['status', 'cut', 'lost', 'lost-status'] as const)('%s: what may be repeated is, each time later', async (kind) => {
  const { client, faults, slept } = await start()
  faults.plan(/./, { kind }, 4)
  expect((await client.send(list)).value).toMatchObject({ object: 'list' })
  expect(client.usage).toMatchObject({ requests: 5, retries: 4, slowdowns: 0 })
  expect(slept.length).toBe(4)
  slept.forEach((ms, i) => expect(ms).toBeLessThanOrEqual(500 * 2 ** (i + 1)))
})

test('what fails again and again is told as it was the last time', async () => {
  const { client, faults } = await start({}, { attemptsMax: 3 })
  faults.plan(/./, { kind: 'status', status: 502 }, 3)
  await expect(client.send(list)).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringMatching(/^openai: list files: answered 502: The server had an error/) as string, details: { status: 502 } })
  expect(client.usage.requests).toBe(3)
})

test.each(['status', 'cut', 'lost', 'lost-status'] as const)('%s: what must not happen twice is not repeated', async (kind) => {
  const { client, faults, state } = await start()
  faults.plan(/./, { kind })
  await expect(client.send(make)).rejects.toMatchObject({ kind: 'outcome-unknown' })
  expect(state.stores.size).toBe(kind.startsWith('lost') ? 1 : 0)
  expect(client.usage.requests).toBe(1)
})

test('too many requests: waits as long as it is told, all together, also for what must not happen twice', async () => {
  const { client, faults, slept, state } = await start({}, { attemptsMax: 1 })
  faults.plan(/^POST/, { kind: 'status', status: 429, headers: { 'retry-after': '7' } }, 3)
  await client.send(make)
  expect(state.stores.size).toBe(1)
  expect(client.usage).toMatchObject({ requests: 4, retries: 3, slowdowns: 3 })
  for (const ms of slept) expect(ms >= 7000 && ms <= 7250, `slept ${ms}`).toBe(true)
  slept.length = 0
  faults.plan(/^POST/, { kind: 'status', status: 429, headers: { 'retry-after': '30' } })
  const first = client.send(make)
  await expect.poll(() => client.usage.slowdowns).toBe(4)
  await Promise.all([first, client.send(list)])
  expect(Math.max(...slept)).toBeGreaterThanOrEqual(30_000)
})

test('too many requests for ten minutes are given up', async () => {
  const { client, faults } = await start()
  faults.plan(/./, { kind: 'status', status: 429, headers: { 'retry-after': '60' } }, 100)
  await expect(client.send(list)).rejects.toMatchObject({ kind: 'unavailable', details: { status: 429, retryAfterMs: 60_000 } })
  expect(client.usage.requests).toBe(10)
})

test('a server that does not answer is asked again', async () => {
  let stalls = 1
  // Answers at once or never: a real server may be slower than the limit on a busy machine.
  const answer: typeof fetch = (_, options) =>
    stalls-- <= 0 ? Promise.resolve(new Response('{}')) : new Promise((_resolve, reject) => options!.signal!.addEventListener('abort', () => reject(new Error('aborted'))))
  const { client } = await start({}, { timeoutMs: 100, attemptsMax: 2, fetch: answer })
  await client.send(list)
  expect(client.usage).toMatchObject({ requests: 2, retries: 1 })
  stalls = 2
  await expect(client.send(list)).rejects.toMatchObject({ kind: 'unavailable', message: 'openai: list files: no answer within 100 ms' })
})

test.each([[400, 'invalid'], [401, 'unauthenticated'], [403, 'denied'], [404, 'not-found'], [413, 'too-large'], [422, 'invalid']] as const)('status %i is %s, and not repeated', async (status, kind) => {
  const { client, faults } = await start()
  faults.plan(/./, { kind: 'status', status })
  await expect(client.send(list)).rejects.toMatchObject({ kind, details: { status } })
  expect(client.usage.requests).toBe(1)
})

test('no credit left is not waited for', async () => {
  const { client } = await start({}, { fetch: async () => Promise.resolve(new Response(JSON.stringify({ error: { message: 'You exceeded your current quota', type: 'insufficient_quota', code: 'insufficient_quota' } }), { status: 429 })) })
  await expect(client.send(list)).rejects.toMatchObject({ kind: 'denied', message: expect.stringContaining('no credit left') as string })
  expect(client.usage.requests).toBe(1)
})

test('an answer that is no JSON, as of a proxy, is a failure to be repeated', async () => {
  let asked = 0
  const { client } = await start({}, { fetch: async () => Promise.resolve(++asked === 1 ? new Response('<html>') : new Response('{"object":"list"}')) })
  expect((await client.send(list)).value).toEqual({ object: 'list' })
})

test('the caller may stop it', async () => {
  const { client, faults } = await start()
  const stop = new AbortController()
  faults.plan(/./, { kind: 'stall' })
  const sent = client.send({ ...list, signal: stop.signal })
  await expect.poll(() => client.usage.requests).toBe(1)
  stop.abort()
  await expect(sent).rejects.toMatchObject({ kind: 'cancelled' })
  expect(client.usage.requests).toBe(1)
})

test('no error holds the key', async () => {
  const secret = 'sk-proj-very-secret-0123456789'
  const { client } = await start({}, { apiKey: secret, attemptsMax: 1 })
  const refused = await client.send(list).catch((error: unknown) => error as Error)
  expect(refused).toMatchObject({ kind: 'unauthenticated' })
  expect(everythingOf(refused)).not.toMatch(/secret|sk-proj|6789/)
  expect(() => new OpenAiClient({ apiKey: `${secret}\n`, clock: systemClock, random: seededRandom(1) })).toThrow(/set a valid one/)
  try {
    new OpenAiClient({ apiKey: `${secret}\n`, clock: systemClock, random: seededRandom(1) })
  } catch (error) {
    expect(everythingOf(error)).not.toContain('secret')
  }
  expect(() => new OpenAiClient({ apiKey: 'k', baseUrl: 'https://user:password@host/v1', clock: systemClock, random: seededRandom(1) })).toThrow(/no user or password/)
  expect(redact('Incorrect API key provided: sk-abc12***********6789.', 'other')).toBe('Incorrect API key provided: sk-….')
})

/** What a log would print of an error, its causes and its details. */
function everythingOf(error: unknown): string {
  const { message, stack, cause, details } = error as Error & { details?: unknown }
  return `${message} ${stack} ${JSON.stringify(details)} ${cause === undefined ? '' : everythingOf(cause)}`
}

test('waits are read in every form in which they are told', () => {
  const wait = (headers: Record<string, string>) => readWaitMs(new Headers(headers), 1_700_000_000_000)
  expect(wait({})).toBeNull()
  expect(wait({ 'retry-after': '1.5' })).toBe(1500)
  expect(wait({ 'retry-after': '2', 'retry-after-ms': '1234' })).toBe(1234)
  expect(wait({ 'retry-after': 'Tue, 14 Nov 2023 22:13:50 GMT' })).toBe(30_000)
  expect(wait({ 'retry-after': 'Tue, 14 Nov 2023 22:13:00 GMT' })).toBe(0)
  for (const text of ['soon', '', ' ', '-1', 'in 5']) expect(wait({ 'retry-after': text }), text).toBeNull()
  expect(wait({ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '6m0s', 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '1h2.5s20ms' })).toBe(3_602_520)
  expect(wait({ 'x-ratelimit-remaining-requests': '5', 'x-ratelimit-reset-requests': '6m0s' })).toBeNull()
})
