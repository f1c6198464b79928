import { seededRandom } from '../../../src/base/random.ts'
import { systemClock, type Clock } from '../../../src/base/clock.ts'
import { MemoryStore } from '../../../src/store/memory-store.ts'
import { Accounts } from './accounts.ts'
import { startGuardedS3 } from './s3-server.ts'
import { startSts } from './sts-server.ts'

export const worker = { arn: 'arn:aws:iam::111111111111:user/worker', accessKeyId: 'AKIAWORKER0000000001', secretAccessKey: 'worker-secret-worker-secret-worker-secret' }
export const readerArn = 'arn:aws:iam::222222222222:role/docs-reader'
export const hopArn = 'arn:aws:iam::111111111111:role/hop'
export const externalId = 'tenant-7/service-3'

/** A worker of one account, and another account with a bucket, whose role it may take: the doubles of STS and S3 on loopback. */
export async function startWorld({ clock = systemClock }: { clock?: Clock } = {}) {
  const accounts = new Accounts({ clock, random: seededRandom(7) })
  accounts.users.push({ ...worker, grants: [{ actions: ['sts:AssumeRole'], resources: ['*'] }] })
  accounts.roles.push({ arn: hopArn, trusts: [worker.arn], grants: [{ actions: ['sts:AssumeRole'], resources: ['*'] }], secondsMax: 43_200 })
  accounts.roles.push({
    arn: readerArn,
    trusts: [worker.arn, hopArn],
    externalId,
    grants: [
      { actions: ['s3:ListBucket'], resources: ['arn:aws:s3:::theirs?docs/*', 'arn:aws:s3:::gone?*', 'arn:aws:s3:::far?*', 'arn:aws:s3:::sealed?*'] },
      { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::theirs/docs/*', 'arn:aws:s3:::sealed/*'] },
      { effect: 'Deny', actions: ['s3:GetObject'], resources: ['arn:aws:s3:::theirs/docs/secret/*'] },
    ],
  })
  const store = new MemoryStore({ url: 's3://theirs', clock })
  const sealed = new MemoryStore({ url: 's3://sealed', clock })
  const sts = await startSts(accounts)
  const s3 = await startGuardedS3(accounts, [
    { name: 'theirs', store },
    { name: 'far', store: new MemoryStore({ url: 's3://far', clock }), region: 'eu-west-1' },
    { name: 'sealed', store: sealed, kms: { prefix: '', keyArn: 'arn:aws:kms:us-east-1:222222222222:key/1' } },
  ])
  const environment = { AWS_ACCESS_KEY_ID: worker.accessKeyId, AWS_SECRET_ACCESS_KEY: worker.secretAccessKey, AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL_STS: sts.url, AWS_ENDPOINT_URL_S3: s3.url }
  const write = async (key: string, text: string) => void (await store.put(key, new TextEncoder().encode(text)))
  return { accounts, store, sealed, sts, s3, environment, write, close: async () => void (await Promise.all([sts.close(), s3.close()])) }
}
