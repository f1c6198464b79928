import { WindlassError } from '../base/errors.ts'
import { chunksOf } from '../base/groups.ts'
import { AwsError, AwsService, type AwsServiceSettings } from './aws-service.ts'
import type { CredentialSource } from './credentials.ts'

/** A message that was received: nobody else sees it until its visibility ends, and then everybody may. */
export interface QueueMessage {
  readonly id: string
  /** Of this delivery: what deletes it. */
  readonly handle: string
  readonly body: string
  /** Milliseconds since 1970, as the queue knows. */
  readonly sentAt: number
}

/** A queue of messages of which each is delivered until it is deleted. */
export interface MessageQueue {
  readonly description: string
  /** Up to ten, and none where none came within `waitSeconds`. */
  receive(options: { waitSeconds: number; visibleAfterSeconds: number; signal?: AbortSignal }): Promise<QueueMessage[]>
  delete(messages: readonly QueueMessage[]): Promise<void>
  /** Sets when messages are delivered again, counted from now. */
  postpone(messages: readonly { readonly message: QueueMessage; readonly seconds: number }[]): Promise<void>
}

const batchMax = 10

/**
 * An SQS queue (JSON protocol, version 2012-11-05). Needs sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility.
 * A message whose deletion fails comes again, which is harmless.
 */
export class SqsQueue implements MessageQueue {
  readonly description: string
  readonly #url: string
  readonly #service: AwsService
  readonly #credentials: CredentialSource

  constructor(queueUrl: string, credentials: CredentialSource, settings: Omit<AwsServiceSettings, 'service'>) {
    this.description = queueUrl
    this.#url = queueUrl
    this.#credentials = credentials
    this.#service = new AwsService({ service: 'sqs', ...settings })
  }

  async receive({ waitSeconds, visibleAfterSeconds, signal }: { waitSeconds: number; visibleAfterSeconds: number; signal?: AbortSignal }): Promise<QueueMessage[]> {
    const body = { MaxNumberOfMessages: batchMax, WaitTimeSeconds: waitSeconds, VisibilityTimeout: visibleAfterSeconds, MessageSystemAttributeNames: ['SentTimestamp'] }
    const { Messages = [] } = (await this.#call('ReceiveMessage', body, { timeoutMs: (waitSeconds + 15) * 1000, ...(signal && { signal }) })) as {
      Messages?: { MessageId: string; ReceiptHandle: string; Body: string; Attributes?: { SentTimestamp?: string } }[]
    }
    return Messages.map(({ MessageId, ReceiptHandle, Body, Attributes }) => ({ id: MessageId, handle: ReceiptHandle, body: Body, sentAt: Number(Attributes?.SentTimestamp ?? 0) }))
  }

  async delete(messages: readonly QueueMessage[]): Promise<void> {
    await this.#inBatches('DeleteMessageBatch', messages.map(({ handle }) => ({ ReceiptHandle: handle })))
  }

  async postpone(messages: readonly { readonly message: QueueMessage; readonly seconds: number }[]): Promise<void> {
    await this.#inBatches('ChangeMessageVisibilityBatch', messages.map(({ message, seconds }) => ({ ReceiptHandle: message.handle, VisibilityTimeout: seconds })))
  }

  /** The ARN, for rules that send to it. Needs sqs:GetQueueAttributes. */
  async arn(): Promise<string> {
    const { Attributes } = (await this.#call('GetQueueAttributes', { AttributeNames: ['QueueArn'] })) as { Attributes?: { QueueArn?: string } }
    if (!Attributes?.QueueArn) throw new WindlassError('unavailable', `${this.#url}: the queue does not tell its ARN`)
    return Attributes.QueueArn
  }

  async #inBatches(operation: string, entries: readonly object[]): Promise<void> {
    const parts = chunksOf(entries, batchMax)
    // Single entries that fail (a handle that has expired meanwhile) come again, as all do that are not deleted.
    await Promise.all(parts.map((part) => this.#call(operation, { Entries: part.map((entry, i) => ({ Id: String(i), ...entry })) })))
  }

  async #call(operation: string, body: object, options: { signal?: AbortSignal; timeoutMs?: number } = {}): Promise<unknown> {
    const action = `sqs:${operation.replace(/Batch$/, '')}`
    const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${operation}` }
    try {
      const text = await this.#service.callAs({ action, headers, body: JSON.stringify({ QueueUrl: this.#url, ...body }), ...options }, this.#credentials)
      return text === '' ? {} : JSON.parse(text)
    } catch (error) {
      if (!(error instanceof AwsError)) throw error
      const who = error.kind === 'denied' ? `${(await this.#credentials.principal()) ?? 'these credentials'} may not ${action} ${this.#url}: ` : `${this.#url}: ${action}: `
      throw new WindlassError(error.kind, `${who}${error.code}: ${error.reason}`, { operation: action, cause: error })
    }
  }
}

/** The region of a queue's URL: `https://sqs.eu-west-1.amazonaws.com/123456789012/name`. */
export function regionOfQueue(queueUrl: string): string | undefined {
  const host = URL.canParse(queueUrl) ? new URL(queueUrl).hostname : ''
  return /^(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.amazonaws\.com(?:\.cn)?$/.exec(host)?.slice(1).find((each) => each !== undefined)
}

/** The account in a queue's URL. */
export function accountOfQueue(queueUrl: string): string | undefined {
  return /\/(\d{12})\/[^/]+$/.exec(queueUrl)?.[1]
}
