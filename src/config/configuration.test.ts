import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Configuration } from './configuration.ts'
import { envExample, settingsTable } from './env-example.ts'

const root = join(import.meta.dirname, '../..')

describe('precedence', () => {
  test('command line, then environment, then .env, then default', () => {
    const read = (sources: Partial<Parameters<typeof Configuration.read>[0]>) => Configuration.read({ environment: {}, ...sources })
    const envFile = { WINDLASS_PORT: '1' }
    const environment = { WINDLASS_PORT: '2' }
    const commandLine = { port: '3' }
    expect(read({}).number('port')).toBe(8900)
    expect(read({ envFile }).number('port')).toBe(1)
    expect(read({ envFile, environment }).number('port')).toBe(2)
    expect(read({ envFile, environment, commandLine }).number('port')).toBe(3)
    expect(read({ envFile, environment, commandLine }).origin('port')).toBe('--port')
    expect(read({ envFile }).origin('port')).toBe('WINDLASS_PORT in .env')
  })

  test('aliases in their order, a contradiction is said', () => {
    const configuration = Configuration.read({ environment: { S3_BUCKET: 'b', S3_BUCKET_NAME: 'a', TIGRIS_REGION: 'auto' } })
    expect(configuration.bucket()).toEqual({ url: 's3://a', origin: 'S3_BUCKET_NAME' })
    expect(configuration.warnings).toEqual(['S3_BUCKET_NAME and S3_BUCKET differ: S3_BUCKET_NAME is used'])
    expect(configuration.text('region')).toBe('auto')
    expect(Configuration.read({ environment: { S3_BUCKET: 'a', S3_BUCKET_NAME: 'a' } }).warnings).toEqual([])
  })
})

describe('the bucket', () => {
  const urlOf = (environment: Record<string, string>) => Configuration.read({ environment }).bucket().url
  test.each<[Record<string, string>, string]>([
    [{}, 'file:./.windlass'],
    [{ S3_BUCKET_NAME: 'b', S3_PREFIX: 'vector_db/' }, 's3://b/vector_db'],
    [{ S3_BUCKET_NAME: 'b', S3_PREFIX: 'vector_db' }, 's3://b/vector_db'],
    [{ TIGRIS_BUCKET_NAME: 'b' }, 's3://b'],
    [{ S3_BUCKET_NAME: 'b', S3_ENABLED: 'False' }, 'file:./.windlass'],
    [{ S3_BUCKET_NAME: 'b', S3_ENABLED: 'True' }, 's3://b'],
    [{ S3_BUCKET_NAME: 'b', WINDLASS_BUCKET: 'memory:' }, 'memory:'],
  ])('of %j is %s', (environment, url) => {
    expect(urlOf(environment)).toBe(url)
  })
})

test.each([
  [{ WINDLASS_PORT: 'http' }, /WINDLASS_PORT: "http" is not a whole number from 0/],
  [{ S3_ENABLED: 'maybe' }, /S3_ENABLED: "maybe" is not true or false/],
  [{ WINDLASS_MEMORY_BUDGET: 'lots' }, /WINDLASS_MEMORY_BUDGET: "lots" is not a size/],
  [{ WINDLASS_LOG_LEVEL: 'loud' }, /one of debug, info/],
  [{ AWS_ENDPOINT_URL: 'localhost' }, /AWS_ENDPOINT_URL: "localhost" is not a URL/],
])('%j is refused', (environment, message) => {
  expect(() => Configuration.read({ environment: environment as Record<string, string> })).toThrow(message)
})

test('sizes read as people write them', () => {
  const bytes = (value: string) => Configuration.read({ environment: { WINDLASS_MEMORY_BUDGET: value } }).number('memory-budget')
  expect([bytes('1000'), bytes('1KB'), bytes('1KiB'), bytes('512M'), bytes('2GiB'), bytes('1.5GB')]).toEqual([1000, 1000, 1024, 512 * 1024 ** 2, 2 * 1024 ** 3, 1_500_000_000])
})

test('secrets are masked wherever settings are listed', () => {
  const environment = { AWS_SECRET_ACCESS_KEY: 'very-secret-value', AWS_SESSION_TOKEN: 'token-value', WINDLASS_KEYS: '[]' }
  const printed = JSON.stringify(Configuration.read({ environment }).list())
  expect(printed).not.toMatch(/very-secret|token-value/)
  expect(printed).toMatch(/17 characters/)
})

test('env.example and the documented table are what the settings say', () => {
  if (process.env.UPDATE_FILES) {
    writeFileSync(join(root, 'env.example'), envExample())
    const page = readFileSync(join(root, 'docs/configuration.md'), 'utf8')
    writeFileSync(join(root, 'docs/configuration.md'), `${page.slice(0, page.indexOf('<!-- settings -->'))}<!-- settings -->\n${settingsTable()}`)
  }
  expect(readFileSync(join(root, 'env.example'), 'utf8')).toBe(envExample())
  expect(readFileSync(join(root, 'docs/configuration.md'), 'utf8')).toContain(settingsTable())
})
