import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { AwsAccess, awsAccess } from '../../src/aws/access.ts'
import { externalId, hopArn, readerArn, startWorld, worker } from '../doubles/sts/world.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world.close())

const context = { clock: systemClock, random: seededRandom(1) }
const access = (more: Record<string, string> = {}) => new AwsAccess({ ...world.environment, ...more }, context)

describe('access to AWS', () => {
  test('takes a role once for all who ask, and knows who it is then', async () => {
    const here = access()
    const sources = Array.from({ length: 20 }, () => here.role({ role: readerArn, externalId, sessionName: 'windlass-docs' }))
    const keys = await Promise.all(sources.map((source) => source.get()))
    expect(new Set(keys.map(({ accessKeyId }) => accessKeyId)).size).toBe(1)
    expect(world.sts.requests).toEqual([{ action: 'AssumeRole', caller: worker.arn }])
    expect(await sources[0]!.principal()).toBe('arn:aws:sts::222222222222:assumed-role/docs-reader/windlass-docs')
    expect(await here.own().principal()).toBe(worker.arn)
  })

  test('takes one role with another', async () => {
    const keys = await access().role({ role: readerArn, via: [hopArn], externalId }).get()
    expect(keys.accessKeyId).toMatch(/^ASIA/)
    expect(world.sts.requests.map(({ caller }) => caller)).toEqual([worker.arn, 'arn:aws:sts::111111111111:assumed-role/hop/windlass'])
  })

  test('keeps roles apart by external id and by session', async () => {
    const here = access()
    const first = await here.role({ role: readerArn, externalId }).get()
    await expect(here.role({ role: readerArn, externalId: 'tenant-8/service-3' }).get()).rejects.toMatchObject({ kind: 'denied' })
    const other = await here.role({ role: readerArn, externalId, sessionName: 'other' }).get()
    expect(other.accessKeyId).not.toBe(first.accessKeyId)
  })

  test('says who may not take which role, and what to do', async () => {
    await expect(access().role({ role: readerArn }).get()).rejects.toMatchObject({
      kind: 'denied',
      message: expect.stringMatching(/^arn:aws:iam::111111111111:user\/worker may not sts:AssumeRole arn:aws:iam::222222222222:role\/docs-reader without an external id: .*trust policy.*windlass iam/),
    })
    await expect(access({ AWS_SECRET_ACCESS_KEY: 'wrong' }).role({ role: readerArn, externalId }).get()).rejects.toMatchObject({ kind: 'unauthenticated', message: expect.stringContaining('SignatureDoesNotMatch') })
  })

  test('asks again with fresh keys where those of the role before have expired', async () => {
    const here = access()
    const source = here.role({ role: readerArn, via: [hopArn], externalId })
    const first = await source.get()
    for (const session of world.accounts.sessions) session.expiresAt = 0
    source.refuse(first.accessKeyId)
    expect((await source.get()).accessKeyId).not.toBe(first.accessKeyId)
    expect(world.accounts.sessions).toHaveLength(4)
  })

  test('refuses a role without external id where there are many tenants', () => {
    expect(() => access({ WINDLASS_TENANTS: 'many' }).role({ role: readerArn })).toThrow(/WINDLASS_TENANTS is many: give the source an externalId/)
    expect(() => access({ WINDLASS_TENANTS: 'many' }).role({ role: readerArn, externalId })).not.toThrow()
    expect(() => access({ WINDLASS_TENANTS: 'some' })).toThrow('WINDLASS_TENANTS is "some", expected one or many')
  })

  test('refuses keys that do not expire where the policy says so', async () => {
    const here = access({ WINDLASS_STATIC_KEYS: 'forbid' })
    await expect(here.own().get()).rejects.toMatchObject({ kind: 'denied', message: expect.stringContaining(worker.accessKeyId) })
    expect(() => here.own({ accessKeyId: 'AKIA1', secretAccessKey: 's' })).toThrow(/AKIA1 does not expire/)
    expect((await here.own({ accessKeyId: 'ASIA1', secretAccessKey: 's', sessionToken: 't' }).get()).accessKeyId).toBe('ASIA1')
  })

  test('refuses what is no role or no external id', () => {
    expect(() => access().role({ role: 'arn:aws:iam::222:role/x' })).toThrow(/is no role: expected arn:aws:iam::<12 digits>:role/)
    expect(() => access().role({ role: readerArn, externalId: 'a b' })).toThrow(/external id .* has 3 characters/)
  })

  test('is one for all who have the same environment', () => {
    expect(awsAccess(world.environment, context)).toBe(awsAccess(world.environment, context))
    expect(awsAccess({ ...world.environment }, context)).not.toBe(awsAccess(world.environment, context))
  })

  test('waits out throttling and what is not reachable for a moment', async () => {
    const { Refusal } = await import('../doubles/sts/accounts.ts')
    world.sts.trouble = new Refusal(400, 'Throttling', 'Rate exceeded')
    const fast = new AwsAccess(world.environment, { ...context, clock: { ...systemClock, sleep: async () => void (world.sts.trouble = null) } })
    expect((await fast.role({ role: readerArn, externalId }).get()).accessKeyId).toMatch(/^ASIA/)
    expect(world.sts.requests).toHaveLength(2)
  })
})
