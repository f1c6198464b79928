import { GetBucketNotificationConfigurationCommand, PutBucketNotificationConfigurationCommand, type GetBucketNotificationConfigurationCommandOutput, type NotificationConfiguration } from '@aws-sdk/client-s3'
import { WindlassError } from '../../base/errors.ts'
import { S3Connection, type S3Settings } from '../../store/s3-connection.ts'
import { rulesOf, withoutRule, withRule, type NotificationRule } from './notification-rules.ts'

/**
 * The notifications of a bucket: one configuration that is replaced as a whole, without a condition. So it is read just before, and again
 * afterwards. Needs s3:GetBucketNotification and s3:PutBucketNotification.
 */
export class BucketNotifications {
  readonly #connection: S3Connection

  constructor(settings: S3Settings) {
    this.#connection = new S3Connection(settings)
  }

  async read(): Promise<NotificationConfiguration> {
    const command = new GetBucketNotificationConfigurationCommand({ Bucket: this.#connection.bucket })
    const { output } = await this.#connection.send<GetBucketNotificationConfigurationCommandOutput>(command, { operation: 'get', key: 'the notifications', action: 's3:GetBucketNotification' })
    const { $metadata: _, ...configuration } = output
    return configuration
  }

  /** Adds a rule and keeps the others. @returns what is there now. @throws {WindlassError} `conflict` with another rule, by its name. */
  async install(rule: NotificationRule): Promise<NotificationRule[]> {
    return this.#change((configuration) => withRule(configuration, rule), (rules) => rules.some(({ id, to }) => id === rule.id && to === rule.to))
  }

  /** Lets the bucket send all of its events to EventBridge too, where rules choose. */
  async installEventBridge(): Promise<NotificationRule[]> {
    return this.#change((configuration) => ({ ...configuration, EventBridgeConfiguration: {} }), () => true)
  }

  /** Takes a rule out and keeps the others. @throws {WindlassError} `not-found` where there is none of this id. */
  async uninstall(id: string): Promise<NotificationRule[]> {
    return this.#change(
      (configuration) => {
        if (!rulesOf(configuration).some((each) => each.id === id)) throw new WindlassError('not-found', `${this.#connection.url} has no rule ${JSON.stringify(id)}: there is ${rulesOf(configuration).map((each) => each.id).join(', ') || 'none'}`, { path: id })
        return withoutRule(configuration, id)
      },
      (rules) => rules.every((each) => each.id !== id),
    )
  }

  close(): void {
    this.#connection.close()
  }

  async #change(change: (configuration: NotificationConfiguration) => NotificationConfiguration, isDone: (rules: NotificationRule[]) => boolean): Promise<NotificationRule[]> {
    const before = await this.read()
    const command = new PutBucketNotificationConfigurationCommand({ Bucket: this.#connection.bucket, NotificationConfiguration: change(before) })
    await this.#connection.send(command, { operation: 'put', key: 'the notifications', action: 's3:PutBucketNotification' })
    const after = rulesOf(await this.read())
    if (isDone(after)) return after
    throw new WindlassError('conflict', `somebody else changed the notifications of ${this.#connection.url} at the same time: look at them, then try again`, { bucket: this.#connection.url })
  }
}
