// A bucket of another account, read in a role: through the vectorizer, the way it is declared.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { open } from '../../src/index.ts'
import type { Bucket } from '../../src/library/types.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { VectorizerInput } from '../../src/vectorize/declaration/declaration.ts'
import { Refusal } from '../doubles/sts/accounts.ts'
import { externalId, readerArn, startWorld } from '../doubles/sts/world.ts'

let world: Awaited<ReturnType<typeof startWorld>>
let bucket: Bucket
beforeEach(async () => {
  world = await startWorld()
  bucket = await open('memory:', { store: { endpoint: world.s3.url, region: 'us-east-1' } })
})
afterEach(async () => {
  await bucket.close()
  await world.close()
})

type S3Source = Extract<VectorizerInput['source'], { type: 's3' }>
const source: S3Source = { type: 's3', url: 's3://theirs/docs', role: readerArn, externalId }
const vectorizer = (more: Partial<S3Source> = {}, environment: Record<string, string> = {}) => {
  const { role, ...rest } = { ...source, ...more }
  const declared = 'aws_role_arn' in more || 'assume_role_arn' in more ? rest : { ...rest, ...(role !== undefined && { role }) }
  return bucket.vectorizer({ name: 'docs', source: declared, destinations: [{ type: 'collection', name: 'docs' }], processing: { filesAtOnce: 2, claimFiles: 2 } }, { environment: { ...world.environment, ...environment } })
}

describe('a source that is read in a role', () => {
  test.each([[{}], [{ aws_role_arn: readerArn }], [{ assume_role_arn: readerArn }]])('is read, under each name that a role has: %j', async (more) => {
    await world.write('docs/a.md', 'Apples.')
    expect(await vectorizer(more).run()).toMatchObject({ new: 1, failed: 0 })
    expect(new Set(world.s3.requests.map(({ caller }) => caller))).toEqual(new Set(['arn:aws:sts::222222222222:assumed-role/docs-reader/windlass-docs']))
  })

  test('takes the external id of a variable, and that of pgai', async () => {
    await world.write('docs/a.md', 'Apples.')
    const { externalId: _, ...without } = source
    const make = (more: Partial<S3Source>, environment: Record<string, string>) =>
      bucket.vectorizer({ name: 'docs', source: { ...without, ...more }, destinations: [{ type: 'collection', name: 'docs' }] }, { environment: { ...world.environment, ...environment } })
    expect(await make({ externalIdVariable: 'THEIR_ID' }, { THEIR_ID: externalId }).run()).toMatchObject({ new: 1 })
    expect(await make({}, { AWS_ASSUME_ROLE_EXTERNAL_ID: externalId }).run()).toMatchObject({ unchanged: 1 })
    await expect(make({}, {}).run()).rejects.toMatchObject({ kind: 'denied', message: expect.stringContaining('without an external id') })
  })

  test('is not read with a wrong external id: said is who, which role, and what to do', async () => {
    await expect(vectorizer({ externalId: 'tenant-8/service-3' }).run()).rejects.toMatchObject({ kind: 'denied', message: expect.stringMatching(/user\/worker may not sts:AssumeRole .*docs-reader with the external id that was given/) })
    expect(world.s3.requests).toEqual([])
  })

  test('goes on where the session expires in the middle of a run', async () => {
    for (let i = 0; i < 20; i++) await world.write(`docs/${String(i).padStart(2, '0')}.md`, `Document ${i}.`)
    let expired = 0
    const report = await vectorizer().run({
      onProgress: ({ done }) => {
        // Revoked where nobody knows of it yet: more than once.
        if (done === 5 || done === 12) for (const session of world.accounts.sessions) expired += session.expiresAt === 0 ? 0 : ((session.expiresAt = 0), 1)
      },
    })
    expect(report).toMatchObject({ new: 20, failed: 0 })
    expect(expired).toBeGreaterThanOrEqual(2)
    expect(world.accounts.sessions.length).toBeGreaterThanOrEqual(3)
  })

  test('asks for new keys before a short session ends', async () => {
    world.accounts.sessionMs = 400
    await world.write('docs/a.md', 'Apples.')
    const here = vectorizer()
    for (let i = 0; i < 6; i++) {
      await world.write('docs/a.md', `Apples ${i}.`)
      expect(await here.run()).toMatchObject({ failed: 0 })
      await systemClock.sleep(150)
    }
    expect(world.accounts.sessions.length).toBeGreaterThan(1)
  })

  test('may not read one prefix: the rest is done, and each failure names action, principal and place, and when it is tried again', async () => {
    await world.write('docs/a.md', 'Apples.')
    await world.write('docs/secret/b.md', 'Pears.')
    const here = vectorizer()
    const report = await here.run()
    expect(report).toMatchObject({ new: 1, failed: 1 })
    expect(report.failures[0]).toMatchObject({ path: 'secret/b.md', step: 'loading', retryAt: expect.any(Number) })
    expect(report.failures[0]!.message).toMatch(/access denied: arn:aws:sts::222222222222:assumed-role\/docs-reader\/windlass-docs needs s3:GetObject on arn:aws:s3:::theirs\/docs\/secret\/b\.md/)
    const [kept] = await listed(here.errors())
    expect(kept).toMatchObject({ path: 'secret/b.md', attempts: 1, retryAt: expect.any(Number) })
  })

  test('a document that goes is seen to be gone, though the role may list its prefix only', async () => {
    await world.write('docs/a.md', 'Apples.')
    await world.write('docs/b.md', 'Pears.')
    const here = vectorizer()
    await here.run()
    await world.store.delete(['docs/a.md'])
    expect(await here.applyPaths(['a.md', 'b.md'])).toMatchObject({ removed: 1, unchanged: 1, failed: 0 })
    expect(await here.applyPaths(['a.md'])).toMatchObject({ removed: 0, failed: 0 })
  })

  test('tells a bucket that is not there, another region, KMS, no credentials and a denied listing apart', async () => {
    await world.sealed.put('docs/a.md', new TextEncoder().encode('Apples.'))
    const messageOf = (more: Partial<S3Source>, environment: Record<string, string> = {}) => vectorizer(more, environment).run().then((report) => ({ kind: 'report', message: report.failures[0]?.message ?? '' }), (error: { kind: string; message: string }) => error)
    expect(await messageOf({ url: 's3://gone/docs' })).toMatchObject({ kind: 'not-found', message: expect.stringContaining('the bucket does not exist') })
    expect(await messageOf({ url: 's3://far/docs' })).toMatchObject({ kind: 'invalid', message: expect.stringContaining('the bucket lies in region eu-west-1: set the region') })
    expect(await messageOf({ url: 's3://sealed/docs' })).toMatchObject({ kind: 'report', message: expect.stringMatching(/denied by KMS: arn:aws:sts::222222222222:assumed-role\/docs-reader\/windlass-docs may not kms:Decrypt with arn:aws:kms:.*policy of the key/) })
    expect(await messageOf({ url: 's3://theirs/other' })).toMatchObject({ kind: 'denied', message: expect.stringMatching(/docs-reader\/windlass-docs needs s3:ListBucket on arn:aws:s3:::theirs/) })
    expect(await messageOf({}, { AWS_ACCESS_KEY_ID: '', AWS_PROFILE: 'nobody', AWS_CONFIG_FILE: '/nowhere', AWS_SHARED_CREDENTIALS_FILE: '/nowhere' })).toMatchObject({ kind: 'unauthenticated', message: expect.stringContaining('no credentials were found') })
    expect(await messageOf({ url: 's3://theirs/docs' })).toMatchObject({ kind: 'not-found', message: expect.stringContaining('nothing lies below this prefix') })
  })

  test('stops where roles cannot be taken any more, and says so once', async () => {
    await world.write('docs/a.md', 'Apples.')
    const here = vectorizer()
    await here.run()
    world.sts.trouble = new Refusal(403, 'AccessDenied', 'User: x is not authorized to perform: sts:AssumeRole')
    for (const session of world.accounts.sessions) session.expiresAt = 0
    await expect(here.run()).rejects.toMatchObject({ kind: 'denied', message: expect.stringContaining('sts:AssumeRole') })
  })
})

async function listed<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = []
  for await (const value of values) all.push(value)
  return all
}
