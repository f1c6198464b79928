import { startTimer, type Clock } from '../base/clock.ts'
import { messageOf, WindlassError } from '../base/errors.ts'
import { EventIntake, type IntakeReport } from '../vectorize/events/event-intake.ts'
import { readEvents, type ObjectEvent } from '../vectorize/events/object-event.ts'
import type { Vectorizer } from '../vectorize/vectorizer.ts'

/** What Lambda tells of an invocation, as far as we read it. */
export interface LambdaContext {
  getRemainingTimeInMillis?(): number
}

/** What Lambda wants to know of a batch of SQS messages (ReportBatchItemFailures). */
export interface SqsBatchResponse {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[]
}

/** What became of an event that was no batch of SQS. */
export interface InvocationReport {
  readonly reports: Readonly<Record<string, IntakeReport>>
}

/** What a handler works with; made by the first invocation, kept for those after it. */
export interface HandlerParts {
  readonly vectorizers: readonly Vectorizer[]
  readonly clock: Clock
  log(line: Readonly<Record<string, unknown>>): void
}

// So that what was claimed is let go, and the queue is answered, before Lambda ends the process.
const reserveMs = 5_000

interface Message {
  /** Absent: all of the event. */
  readonly id?: string
  readonly events: readonly ObjectEvent[] | null
}

/**
 * A Lambda function that keeps what vectorizers declare in step with the events it is given: of S3 directly, or through SQS, SNS or
 * EventBridge. Of a batch of SQS it answers which messages failed, so that only these come again; of all else it fails as a whole.
 * @param open Called once, and again after it failed.
 */
export function createHandler(open: () => Promise<HandlerParts>): (event: unknown, context?: LambdaContext) => Promise<SqsBatchResponse | InvocationReport> {
  let opening: Promise<HandlerParts> | null = null
  return async (event, context) => {
    opening ??= open().catch((error: unknown) => {
      opening = null
      throw error
    })
    const { vectorizers, log } = await opening
    const ending = new AbortController()
    const remainingMs = context?.getRemainingTimeInMillis?.()
    const timer = remainingMs === undefined ? null : startTimer(Math.max(0, remainingMs - reserveMs), () => ending.abort(new WindlassError('cancelled', 'the time of this invocation is used up')))
    try {
      const messages = messagesOf(event, (id, error) => log({ level: 'error', message: messageOf(error), messageId: id }))
      const failed = new Set<Message>(messages.filter(({ events }) => events === null))
      const read = messages.flatMap((message) => (message.events ? [{ message, events: message.events }] : []))
      const reports: Record<string, IntakeReport> = {}
      for (const vectorizer of vectorizers) {
        const { outcomes, report } = await vectorizer.follow((following) => new EventIntake(following).apply(read.map(({ events }) => events)), { signal: ending.signal })
        reports[vectorizer.name] = report
        read.forEach(({ message }, i) => void (outcomes[i]!.isDone || failed.add(message)))
        log({ level: report.failed > 0 ? 'warn' : 'info', vectorizer: vectorizer.name, messages: messages.length, ...report })
      }
      if (isSqsEvent(event)) return { batchItemFailures: [...failed].map(({ id }) => ({ itemIdentifier: id! })) }
      if (failed.size > 0) throw new WindlassError('unavailable', `${describeFailures(reports)}: Lambda is to send this again`)
      return { reports }
    } finally {
      timer?.stop()
    }
  }
}

/** Each message of a batch of SQS by itself, anything else as one. A message that cannot be read has no events. */
function messagesOf(event: unknown, onProblem: (id: string, error: unknown) => void): Message[] {
  if (!isSqsEvent(event)) return [{ events: readEvents(event) }]
  return event.Records.map(({ messageId, body }): Message => {
    try {
      return { id: messageId, events: readEvents(body) }
    } catch (error) {
      onProblem(messageId, error)
      return { id: messageId, events: null }
    }
  })
}

function isSqsEvent(event: unknown): event is { Records: { messageId: string; body: string }[] } {
  const records = (event as { Records?: unknown } | null)?.Records
  return Array.isArray(records) && records.length > 0 && records.every((each) => (each as { eventSource?: unknown } | null)?.eventSource === 'aws:sqs')
}

function describeFailures(reports: Readonly<Record<string, IntakeReport>>): string {
  const failures = Object.values(reports).flatMap((each) => each.failures)
  const [first] = failures
  return first ? `${failures.length} documents failed, the first: ${first.path}: ${first.message}` : 'some documents failed'
}
