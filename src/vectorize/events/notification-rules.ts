import type { Event, FilterRule, NotificationConfiguration } from '@aws-sdk/client-s3'
import { WindlassError } from '../../base/errors.ts'

/** A rule by which a bucket sends events, whatever it sends them to. */
export interface NotificationRule {
  readonly id: string
  readonly to: string
  readonly events: readonly string[]
  readonly prefix: string
  readonly suffix: string
}

const created = ['s3:ObjectCreated:*', 's3:ObjectRemoved:*']
/** What S3 tells of besides. MinIO does not know these names, and tells of expired objects as removed. */
const ofAws = ['s3:LifecycleExpiration:*', 's3:ObjectRestore:Completed']

/** All rules of a bucket's configuration. */
export function rulesOf(configuration: NotificationConfiguration): NotificationRule[] {
  const rule = (to: string | undefined, { Id = '', Events = [], Filter }: { Id?: string | undefined; Events?: Event[] | undefined; Filter?: { Key?: { FilterRules?: FilterRule[] | undefined } | undefined } | undefined }): NotificationRule => {
    const part = (name: string) => Filter?.Key?.FilterRules?.find(({ Name }) => Name?.toLowerCase() === name)?.Value ?? ''
    return { id: Id, to: to ?? '', events: Events, prefix: part('prefix'), suffix: part('suffix') }
  }
  return [
    ...(configuration.QueueConfigurations ?? []).map((each) => rule(each.QueueArn, each)),
    ...(configuration.TopicConfigurations ?? []).map((each) => rule(each.TopicArn, each)),
    ...(configuration.LambdaFunctionConfigurations ?? []).map((each) => rule(each.LambdaFunctionArn, each)),
  ]
}

/** The rule of a vectorizer: `to` an ARN of SQS, SNS, Lambda or MinIO. */
export function ruleOf(vectorizer: string, { to, prefix }: { to: string; prefix: string }): NotificationRule {
  return { id: ruleId(vectorizer), to, events: to.startsWith('arn:minio:') ? created : [...created, ...ofAws], prefix: prefix === '' ? '' : `${prefix}/`, suffix: '' }
}

export function ruleId(vectorizer: string): string {
  return `windlass-${vectorizer}`
}

/**
 * A configuration with one rule more, or with the rule of that id replaced; everything else stays as it is.
 * @throws {WindlassError} `conflict` where another rule sends the same events of the same keys: S3 takes only one of them.
 */
export function withRule(configuration: NotificationConfiguration, rule: NotificationRule): NotificationConfiguration {
  const others = withoutRule(configuration, rule.id)
  const other = rulesOf(others).find((each) => overlaps(each, rule))
  if (other) {
    throw new WindlassError(
      'conflict',
      `rule ${JSON.stringify(other.id)} sends ${other.events.join(', ')} of ${JSON.stringify(`${other.prefix}*${other.suffix}`)} to ${other.to} already, and S3 takes one rule for an event: subscribe to what it sends to, send both through SNS or EventBridge, or take it out`,
      { path: other.id },
    )
  }
  const shared = { Id: rule.id, Events: [...rule.events] as Event[], ...(rule.prefix !== '' && { Filter: { Key: { FilterRules: [{ Name: 'prefix' as const, Value: rule.prefix }] } } }) }
  const service = rule.to.split(':')[2]
  if (service === 'sqs') return { ...others, QueueConfigurations: [...(others.QueueConfigurations ?? []), { QueueArn: rule.to, ...shared }] }
  if (service === 'sns') return { ...others, TopicConfigurations: [...(others.TopicConfigurations ?? []), { TopicArn: rule.to, ...shared }] }
  if (service === 'lambda') return { ...others, LambdaFunctionConfigurations: [...(others.LambdaFunctionConfigurations ?? []), { LambdaFunctionArn: rule.to, ...shared }] }
  throw new WindlassError('invalid', `${JSON.stringify(rule.to)} takes no events of S3: expected the ARN of an SQS queue, an SNS topic, a Lambda function or a target of MinIO, or eventbridge`, { path: 'to' })
}

/** A configuration without the rule of an id. */
export function withoutRule(configuration: NotificationConfiguration, id: string): NotificationConfiguration {
  const { QueueConfigurations, TopicConfigurations, LambdaFunctionConfigurations, EventBridgeConfiguration } = configuration
  const kept = <Rule extends { Id?: string | undefined }>(rules: readonly Rule[] | undefined) => rules?.filter(({ Id }) => Id !== id)
  return {
    ...(QueueConfigurations && { QueueConfigurations: kept(QueueConfigurations)! }),
    ...(TopicConfigurations && { TopicConfigurations: kept(TopicConfigurations)! }),
    ...(LambdaFunctionConfigurations && { LambdaFunctionConfigurations: kept(LambdaFunctionConfigurations)! }),
    ...(EventBridgeConfiguration && { EventBridgeConfiguration }),
  }
}

/** Whether some event of some key would be sent by both. docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html */
export function overlaps(a: NotificationRule, b: NotificationRule): boolean {
  const meet = (x: string, y: string) => x.startsWith(y) || y.startsWith(x)
  const reversed = (text: string) => [...text].reverse().join('')
  const family = (event: string) => event.replace(/\*$/, '')
  return a.events.some((x) => b.events.some((y) => meet(family(x), family(y)))) && meet(a.prefix, b.prefix) && meet(reversed(a.suffix), reversed(b.suffix))
}
