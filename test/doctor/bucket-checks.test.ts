// What can be wrong between a process and its bucket: broken for real at a double of S3, and looked for in what the doctor says.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { startS3Double, type S3Double, type S3DoubleOptions } from '../doubles/s3/double.ts'
import { examine, s3Variables, textOf } from './testing.ts'

const doubles: S3Double[] = []
afterEach(async () => {
  for (const double of doubles.splice(0)) await double.close()
})

async function start(options: S3DoubleOptions = {}): Promise<S3Double> {
  const double = await startS3Double(options)
  doubles.push(double)
  return double
}

const check = async (name: string, options: S3DoubleOptions = {}, more: Record<string, string> = {}, path = '') => {
  const double = await start(options)
  const text = textOf(await examine(name, { environment: s3Variables(double.url + path, more) }))
  expect(text, 'secrets are shown nowhere').not.toContain('a-secret-that-is-never-shown')
  return { double, text }
}

test('a healthy bucket: every check is content, and nothing stays behind', async () => {
  const double = await start({ server: 'MinIO' })
  for (const name of ['credentials', 'endpoint', 'clock', 'bucket', 'permissions', 'conditional-writes', 'models']) {
    const findings = await examine(name, { environment: s3Variables(double.url) })
    expect(textOf(findings), name).toMatch(/^ok/)
    expect(findings!.every(({ level }) => level === 'ok'), textOf(findings)).toBe(true)
  }
  expect([...double.objects.keys()]).toEqual([])
})

test('a key that the store does not know: named, masked, with where it came from', async () => {
  const { text } = await check('credentials', { accessKeyId: 'AKIAOTHER' })
  expect(text).toMatch(/^problem \| key AKIA…ST12 of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is not taken/)
  expect(text).toContain('windlass config')
})

test('half a key, a key with a line break, a key of .env, and none at all', async () => {
  const double = await start()
  const { AWS_SECRET_ACCESS_KEY, ...half } = s3Variables(double.url)
  expect(textOf(await examine('credentials', { environment: half }))).toMatch(/^problem \| AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not/)
  expect(textOf(await examine('credentials', { environment: s3Variables(double.url, { AWS_SECRET_ACCESS_KEY: `${AWS_SECRET_ACCESS_KEY}\n` }) }))).toMatch(/problem \| AWS_SECRET_ACCESS_KEY begins or ends with a blank or a line break/)
  expect(textOf(await examine('credentials', { envFile: s3Variables(double.url) }))).toContain('AWS_ACCESS_KEY_ID in .env')
})

test('keys that do not expire are refused where the operator says so', async () => {
  const { text } = await check('credentials', {}, { WINDLASS_STATIC_KEYS: 'forbid' })
  expect(text).toMatch(/^problem \|.*does not expire/)
})

test.each([
  ['Put', 's3:PutObject'],
  ['Get', 's3:GetObject'],
  ['List', 's3:ListBucket'],
  ['Delete', 's3:DeleteObject'],
])('%s withdrawn: that action alone is named, with its line of policy', async (name, action) => {
  const { text } = await check('permissions', { denied: [action] }, { S3_PREFIX: 'prod' })
  const lines = text.split('\n')
  expect(lines.map((line) => line.split(' ')[0])).toEqual(['Put', 'Get', 'List', 'Delete'].map((each) => (each === name ? 'problem' : 'ok')))
  const [line] = lines.filter((each) => each.startsWith('problem'))
  expect(line).toContain(`${name} (${action}) is refused`)
  expect(line).toContain(`{"Effect":"Allow","Action":"${action}","Resource":"arn:aws:s3:::docs${action === 's3:ListBucket' ? '' : '/prod/*'}"}`)
  if (action === 's3:DeleteObject') expect(line).toMatch(/doctor\/\w+\/permission stays behind/)
})

test('nothing is allowed but to delete: what cannot be told apart is not claimed', async () => {
  const { text } = await check('permissions', { denied: ['s3:PutObject', 's3:GetObject', 's3:ListBucket'] })
  expect(text).toMatch(/^problem \| Put.*\nwarning \| Get \(s3:GetObject\) could not be told.*\nproblem \| List.*\nok \| Delete/)
})

test('another region: the right one is named, and the variable to set', async () => {
  const { text } = await check('bucket', { region: 'eu-west-3' })
  expect(text).toMatch(/^problem \| bucket docs lies in region eu-west-3, and AWS_REGION is us-east-1.*AWS_REGION=eu-west-3$/)
})

test('no such bucket: the command that makes it, at this endpoint', async () => {
  const { double, text } = await check('bucket', { bucket: 'others' })
  expect(text).toContain(`there is no bucket docs at ${double.url}`)
  expect(text).toContain(`aws s3 mb s3://docs --region us-east-1 --endpoint-url ${double.url}`)
  expect(text).toContain('S3_BUCKET_NAME')
})

test('nobody listens, or nobody answers', async () => {
  expect(textOf(await examine('bucket', { environment: s3Variables('http://127.0.0.1:1') }))).toMatch(/^problem \| no answer from http:\/\/127.0.0.1:1.*the endpoint comes from AWS_ENDPOINT_URL/)
  const double = await start({ hangs: true })
  // Hours pass when somebody sleeps: a check ends however long an answer takes.
  const clock = { ...systemClock, sleep: () => Promise.resolve() }
  expect(textOf(await examine('credentials', { environment: s3Variables(double.url), context: { clock } }))).toMatch(/^problem \| no end after 25 s/)
})

test('who it is: as STS says; where it does not answer in time, the key without a name', async () => {
  let asked = () => {}
  const isAsked = new Promise<void>((resolve) => (asked = resolve))
  let arn: string | null = null
  const sts = createServer((_, response) => (asked(), arn !== null && response.end(`<GetCallerIdentityResult><Arn>${arn}</Arn></GetCallerIdentityResult>`)))
  await new Promise<void>((resolve) => sts.listen(0, '127.0.0.1', resolve))
  const environment = { WINDLASS_BUCKET: 's3://docs', AWS_ACCESS_KEY_ID: 'AKIADOCTORTEST12', AWS_SECRET_ACCESS_KEY: 'a-secret-that-is-never-shown', AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${(sts.address() as AddressInfo).port}` }
  // The bucket is AWS's own, which a test asks nothing.
  const probe = { contact: async () => ({ error: null, skewMs: 0, server: undefined }), close: async () => undefined } as never
  // Time passes for what is shorter than the whole check, and only once STS was asked.
  const clock = { ...systemClock, sleep: (ms: number) => (ms < 5000 ? isAsked : new Promise<void>(() => {})) }
  try {
    expect(textOf(await examine('credentials', { environment, context: { probe, clock } }))).toMatch(/^ok \| key AKIA…ST12 of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY \| /)
    arn = 'arn:aws:iam::123456789012:user/mate'
    expect(textOf(await examine('credentials', { environment, context: { probe } }))).toContain(`AWS_SECRET_ACCESS_KEY: ${arn}`)
  } finally {
    sts.closeAllConnections()
    sts.close()
  }
})

test.each([
  [-20 * 60_000, 'problem', 'ahead of'],
  [20 * 60_000, 'problem', 'behind'],
  [2 * 60_000, 'warning', 'behind'],
  [0, 'ok', "the store's"],
])('a clock of the store that is %i ms ahead of ours', async (aheadMs, level, words) => {
  const { text } = await check('clock', { aheadMs })
  expect(text).toMatch(new RegExp(`^${level} \\| this machine's clock .*${words}`))
})

test('a store without conditional writes: no advice to go on', async () => {
  const { text, double } = await check('conditional-writes', { ignoresConditions: true })
  expect(text).toMatch(/^problem \|.*ignores If-None-Match/)
  expect([...double.objects.keys()]).toEqual([])
})

test('what a check needs comes first: without permissions, conditional writes are not tried', async () => {
  const double = await start({ denied: ['s3:PutObject'] })
  expect(await examine('conditional-writes', { environment: s3Variables(double.url) })).toBeNull()
  expect(double.journal.some((line) => line.includes('store-proof'))).toBe(false)
})

test.each([
  ['VERSITYGW', 'versitygw'],
  ['MinIO', 'MinIO'],
  ['Tigris OS', 'Tigris'],
  [undefined, 'does not say its name'],
])('the store is known by what it calls itself: %s', async (server, words) => {
  const { text } = await check('endpoint', server === undefined ? {} : { server }, { AWS_REGION: 'auto' })
  expect(text).toMatch(/^ok/)
  expect(text).toContain(words)
})

test('an endpoint with a path, with the bucket in it, of another region, or in the clear', async () => {
  expect((await check('endpoint', {}, {}, '/docs')).text).toMatch(/^problem \| AWS_ENDPOINT_URL has a path in it: \/docs.*AWS_ENDPOINT_URL=http:\/\/127.0.0.1:\d+$/)
  const endpoints = (url: string, more = {}) => examine('endpoint', { environment: s3Variables(url, more), context: { probe: { contact: async () => ({ error: null, skewMs: 0, server: undefined }), close: async () => undefined } as never } }).then(textOf)
  expect(await endpoints('https://docs.s3.example.com')).toMatch(/^warning \| AWS_ENDPOINT_URL begins with the bucket's name: docs.s3.example.com.*AWS_ENDPOINT_URL=https:\/\/s3.example.com   # if so$/)
  expect(await endpoints('https://s3.eu-west-1.amazonaws.com')).toMatch(/^problem \| AWS_ENDPOINT_URL is of region eu-west-1, and AWS_REGION is us-east-1/)
  expect(await endpoints('http://s3.example.com')).toMatch(/^warning \|.*in the clear/)
  expect(await endpoints('https://fly.storage.tigris.dev')).toMatch(/^warning \| Tigris is asked for region us-east-1.*AWS_REGION=auto$/)
  expect(await endpoints('https://1234.r2.cloudflarestorage.com', { AWS_REGION: 'auto' })).toMatch(/^ok \| Cloudflare R2/)
})
