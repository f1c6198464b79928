import { expect, test } from 'vitest'
import { failureOf, parseDuration, rateLimitsOf, retryAfterOf } from './openai-answer.ts'

test.each([['1s', 1000], ['6m0s', 360_000], ['20ms', 20], ['1h30m', 5_400_000], ['0.5', 500], ['1.5s', 1500], ['', undefined], ['soon', undefined], ['-1s', undefined]])('the duration %j', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test('rate limits are read as a whole or not at all', () => {
  const headers = new Headers({ 'x-ratelimit-limit-tokens': '1000000', 'x-ratelimit-remaining-tokens': '999000', 'x-ratelimit-reset-tokens': '60ms', 'x-ratelimit-remaining-requests': '3' })
  expect(rateLimitsOf(headers)).toEqual({ tokens: { limit: 1_000_000, remaining: 999_000, resetMs: 60 } })
})

test.each(['', 'later', '-5'])('a Retry-After of %j is none', (text) => {
  expect(retryAfterOf(new Headers(text === '' ? {} : { 'retry-after': text }), 0)).toBeUndefined()
})

const place = { url: 'http://host/v1/embeddings', model: 'm', keyName: 'KEY' }
test.each([
  [400, '{"error":{"message":"This model\'s maximum context length is 8192 tokens","code":null}}', 'split', 'too-large'],
  [400, '{"error":{"message":"Invalid \'input[1]\': maximum input length is 8192 tokens.","code":null}}', 'split', 'too-large'],
  [400, '{"error":"the input length exceeds the context length"}', 'split', 'too-large'],
  [400, `{"error":{"message":"Invalid 'input[3]': maximum input length is 8192 tokens.","code":null}}`, 'split', 'too-large'],
  [413, 'too big', 'split', 'too-large'],
  [500, '{"error":{"message":"input is too large to process. increase the physical batch size"}}', 'split', 'too-large'],
  [500, '{"error":{"message":"too large"}}', 'retry', 'unavailable'],
  [422, '{"detail":[{"loc":["body","encoding_format"],"msg":"unexpected value"}]}', 'plain', 'unsupported'],
  [400, '{"error":{"message":"unknown parameter"}}', 'none', 'invalid'],
  [429, '{"error":{"code":"insufficient_quota"}}', 'none', 'denied'],
  [429, 'null', 'slow-down', 'unavailable'],
  [529, '', 'retry', 'unavailable'],
  [501, '', 'none', 'unsupported'],
  [403, '[]', 'none', 'denied'],
])('%i %s', (status, text, remedy, kind) => {
  const failure = failureOf(status, text, undefined, place)
  expect([failure.remedy, failure.error.kind]).toEqual([remedy, kind])
})
