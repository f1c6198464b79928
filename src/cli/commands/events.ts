import { awsAccess, parseRoleArn, regionOf } from '../../aws/access.ts'
import { partitionOf, queuePolicy } from '../../aws/iam-documents.ts'
import { isWindlassError, messageOf, WindlassError } from '../../base/errors.ts'
import { parseS3Url } from '../../store/open-store.ts'
import { BucketNotifications } from '../../vectorize/events/bucket-notifications.ts'
import { ruleId, ruleOf, rulesOf, withRule, type NotificationRule } from '../../vectorize/events/notification-rules.ts'
import { bucketSourceOf, openQueue } from '../../vectorize/events/open-queue.ts'
import type { Vectorizer } from '../../vectorize/vectorizer.ts'
import { print, type Flags } from '../run.ts'
import type { VectorizerSession } from '../vectorizers.ts'

/**
 * `windlass events`: the rule by which the bucket of a vectorizer sends its events. With the keys of whoever calls: the role that reads
 * documents may not change a bucket.
 */
export async function changeEvents(verb: 'install' | 'uninstall' | 'ls', session: VectorizerSession, flags: Flags): Promise<void> {
  const [vectorizer] = session.vectorizers
  const { name, declaration, context } = vectorizer!
  const source = bucketSourceOf(declaration, context)
  const { bucket, prefix } = parseS3Url(source.url)
  const { environment, clock, random, storeSettings } = context
  const { accessKeyId, secretAccessKey, sessionToken, ...places } = storeSettings
  const keys = accessKeyId !== undefined && secretAccessKey !== undefined ? { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) } : undefined
  const credentials = storeSettings.credentials ?? awsAccess(environment, { clock, random }).own(keys)
  const { endpoint = places.endpoint, region = places.region } = source
  const notifications = new BucketNotifications({ ...places, bucket, credentials, ...(endpoint !== undefined && { endpoint }), ...(region !== undefined && { region }) })
  try {
    if (verb === 'ls') return tell(rulesOf(await notifications.read()), flags)
    if (verb === 'uninstall') return tell(await notifications.uninstall(ruleId(name)), flags)
    if (flags.to === 'eventbridge') return tell(await notifications.installEventBridge(), flags)
    const rule = ruleOf(name, { to: await targetOf(vectorizer!, flags), prefix })
    if (flags.dryRun) return tell(rulesOf(withRule(await notifications.read(), rule)), flags)
    await notifications.install(rule).then((rules) => tell(rules, flags), (error: unknown) => {
      throw explained(error, rule, { bucket, account: accountOf(source) ?? '<the account of the bucket>', region: region ?? regionOf(environment) })
    })
  } finally {
    notifications.close()
  }
}

async function targetOf({ declaration, context }: Vectorizer, { to }: Flags): Promise<string> {
  if (typeof to === 'string') return to
  return openQueue(declaration, context).arn()
}

function accountOf({ role }: { role?: string | undefined }): string | undefined {
  return role === undefined ? undefined : parseRoleArn(role).account
}

/** S3 tries to send a test message at once, and says only that it could not. */
function explained(error: unknown, rule: NotificationRule, { bucket, account, region }: { bucket: string; account: string; region: string }): unknown {
  if (!isWindlassError(error) || !/destination/i.test(messageOf(error.cause ?? error))) return error
  const policy = rule.to.startsWith('arn:aws') && rule.to.includes(':sqs:') ? `; the policy of the queue must allow it: ${JSON.stringify(queuePolicy({ queueArn: rule.to, bucket, account, partition: partitionOf(region) }))}` : ': its policy must let s3.amazonaws.com send to it'
  return new WindlassError('invalid', `s3://${bucket} may not send to ${rule.to}, or it is not there${policy}`, { cause: error })
}

function tell(rules: readonly NotificationRule[], { json }: Flags): void {
  if (json) return print(JSON.stringify(rules, null, 2))
  for (const { id, to, events, prefix, suffix } of rules) print(`${id || '(no name)'}  ${prefix}*${suffix}  ${events.join(', ')} -> ${to}`)
  if (rules.length === 0) print('no rules')
}
