import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { externalId, hopArn, readerArn, startWorld, worker } from './world.ts'

let world: Awaited<ReturnType<typeof startWorld>>
let ahead = 0
beforeEach(async () => {
  ahead = 0
  world = await startWorld({ clock: { ...systemClock, now: () => systemClock.now() + ahead } })
})
afterEach(() => world.close())

const client = (credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } = worker) =>
  new STSClient({ endpoint: world.sts.url, region: 'us-east-1', credentials, maxAttempts: 1 })
const assume = (more: Partial<{ RoleArn: string; ExternalId: string; DurationSeconds: number; RoleSessionName: string }> = {}, of = client()) =>
  of.send(new AssumeRoleCommand({ RoleArn: readerArn, RoleSessionName: 'test', ExternalId: externalId, ...more }))
const keysOf = ({ Credentials }: Awaited<ReturnType<typeof assume>>) => ({ accessKeyId: Credentials!.AccessKeyId!, secretAccessKey: Credentials!.SecretAccessKey!, sessionToken: Credentials!.SessionToken! })

describe('the double of STS, as the official client sees it', () => {
  test('names its callers: users, and sessions of roles', async () => {
    expect(await client().send(new GetCallerIdentityCommand({}))).toMatchObject({ Arn: worker.arn, Account: '111111111111' })
    const answer = await assume()
    expect(answer.AssumedRoleUser!.Arn).toBe('arn:aws:sts::222222222222:assumed-role/docs-reader/test')
    expect(answer.Credentials!.Expiration!.getTime()).toBeGreaterThan(systemClock.now() + 3_500_000)
    expect(await client(keysOf(answer)).send(new GetCallerIdentityCommand({}))).toMatchObject({ Arn: 'arn:aws:sts::222222222222:assumed-role/docs-reader/test' })
  })

  test.each([
    ['another external id', { ExternalId: 'tenant-8/service-3' }, 'AccessDenied'],
    ['a role that is not there', { RoleArn: 'arn:aws:iam::222222222222:role/nobody' }, 'AccessDenied'],
    ['a session that is too short', { DurationSeconds: 60 }, 'ValidationError'],
    ['a session longer than the role allows', { DurationSeconds: 7200 }, 'ValidationError'],
    ['a name that is none', { RoleSessionName: 'a b' }, 'ValidationError'],
  ])('refuses %s', async (_, more, name) => {
    await expect(assume(more)).rejects.toMatchObject({ name })
  })

  test('refuses without an external id, a wrong secret, and keys that nobody has', async () => {
    await expect(client().send(new AssumeRoleCommand({ RoleArn: readerArn, RoleSessionName: 'test' }))).rejects.toMatchObject({ name: 'AccessDenied', message: expect.stringContaining(worker.arn) })
    await expect(assume({}, client({ ...worker, secretAccessKey: 'wrong' }))).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' })
    await expect(assume({}, client({ ...worker, accessKeyId: 'AKIANOBODY' }))).rejects.toMatchObject({ name: 'InvalidClientTokenId' })
  })

  test('lets sessions expire, and refuses a token that is not theirs', async () => {
    const keys = keysOf(await assume())
    await expect(client({ ...keys, sessionToken: 'another' }).send(new GetCallerIdentityCommand({}))).rejects.toMatchObject({ name: 'InvalidClientTokenId' })
    // The client signs with its own clock: within the quarter of an hour by which the two may differ.
    world.accounts.sessions[0]!.expiresAt = systemClock.now() + 1000
    ahead = 2000
    await expect(client(keys).send(new GetCallerIdentityCommand({}))).rejects.toMatchObject({ name: expect.stringMatching(/^ExpiredToken/) })
  })

  test('a chain of roles lasts an hour at most', async () => {
    const keys = keysOf(await assume({ RoleArn: hopArn, DurationSeconds: 7200 }))
    const refused = world.accounts.roles.find(({ arn }) => arn === readerArn)!
    world.accounts.roles.push({ ...refused, arn: `${readerArn}-long`, secondsMax: 43_200 })
    await expect(assume({ RoleArn: `${readerArn}-long`, DurationSeconds: 7200 }, client(keys))).rejects.toMatchObject({ name: 'ValidationError', message: expect.stringContaining('role chaining') })
    expect((await assume({}, client(keys))).Credentials).toBeDefined()
  })
})
