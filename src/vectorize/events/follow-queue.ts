import type { MessageQueue, QueueMessage } from '../../aws/sqs.ts'
import type { Clock } from '../../base/clock.ts'
import { isWindlassError, messageOf } from '../../base/errors.ts'
import type { EventIntake, IntakeReport } from './event-intake.ts'
import { readEvents, type ObjectEvent } from './object-event.ts'

export interface FollowQueueOptions {
  readonly clock: Clock
  /** Ends it: what is being done is finished and deleted first. */
  readonly signal: AbortSignal
  /** After each batch. `lagMs` is how long the oldest message of it had waited when it was done. */
  readonly onBatch?: (batch: { readonly messages: number; readonly lagMs: number; readonly report: IntakeReport }) => void
  /** What did not stop it: a message that is none, a queue or a destination that does not answer. */
  readonly onProblem?: (message: string) => void
  /** Messages that are worked at together. */
  readonly batchMessages?: number
  readonly waitSeconds?: number
}

/** As long as a message is hidden from others; extended while it is worked at. */
const visibleAfterSeconds = 120
/** SQS: no message can be postponed for longer. */
const postponeSecondsMax = 43_200
/** Receives that run together once a first one came back full. */
const receiversMax = 8
const waitAfterTroubleMs = 5_000

/**
 * Takes messages from a queue until it is told to end, and deletes each once everything in it is done. What fails comes again when it is
 * due; what cannot be read as an event is left to the queue's own rule for such (a redrive policy).
 * @throws {WindlassError} `invalid`, `denied`, `not-found` of the queue itself.
 */
export async function followQueue(queue: MessageQueue, intake: EventIntake, options: FollowQueueOptions): Promise<void> {
  const { clock, signal, onProblem } = options
  while (!signal.aborted) {
    try {
      const messages = await receiveBatch(queue, options)
      if (messages.length > 0) await work(queue, intake, messages, options)
    } catch (error) {
      if (signal.aborted) return
      if (isWindlassError(error, 'invalid', 'denied', 'not-found', 'unauthenticated')) throw error
      onProblem?.(messageOf(error))
      await clock.sleep(waitAfterTroubleMs, signal).catch(() => undefined)
    }
  }
}

/** Waits for the first, then takes what else is there at once. */
async function receiveBatch(queue: MessageQueue, { signal, batchMessages = 500, waitSeconds = 20 }: FollowQueueOptions): Promise<QueueMessage[]> {
  const first = await queue.receive({ waitSeconds, visibleAfterSeconds, signal })
  const messages = [...first]
  for (let last = first.length; last > 0 && messages.length < batchMessages; ) {
    const more = await Promise.all(Array.from({ length: Math.min(receiversMax, Math.ceil((batchMessages - messages.length) / 10)) }, () => queue.receive({ waitSeconds: 0, visibleAfterSeconds })))
    messages.push(...more.flat())
    last = more.flat().length
  }
  return messages
}

async function work(queue: MessageQueue, intake: EventIntake, messages: readonly QueueMessage[], { clock, onBatch, onProblem }: FollowQueueOptions): Promise<void> {
  const read: { message: QueueMessage; events: ObjectEvent[] }[] = []
  for (const message of messages) {
    try {
      read.push({ message, events: readEvents(message.body) })
    } catch (error) {
      onProblem?.(`message ${message.id}: ${messageOf(error)}`)
    }
  }
  const ending = new AbortController()
  const keeping = keepHidden(queue, messages, clock, ending.signal)
  try {
    const { outcomes, report } = await intake.apply(read.map(({ events }) => events))
    const now = clock.now()
    await queue.delete(read.flatMap(({ message }, i) => (outcomes[i]!.isDone ? [message] : [])))
    await queue.postpone(
      read.flatMap(({ message }, i) => {
        const { isDone, retryAt = now } = outcomes[i]!
        return isDone ? [] : [{ message, seconds: Math.min(postponeSecondsMax, Math.max(1, Math.ceil((retryAt - now) / 1000))) }]
      }),
    )
    onBatch?.({ messages: messages.length, lagMs: Math.max(0, ...messages.map(({ sentAt }) => now - sentAt)), report })
  } finally {
    ending.abort()
    await keeping
  }
}

/** Keeps messages from being delivered to others for as long as it takes. */
async function keepHidden(queue: MessageQueue, messages: readonly QueueMessage[], clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    await clock.sleep((visibleAfterSeconds * 1000) / 3, signal).catch(() => undefined)
    if (signal.aborted) return
    // Should it fail, they come again, which is harmless.
    await queue.postpone(messages.map((message) => ({ message, seconds: visibleAfterSeconds }))).catch(() => undefined)
  }
}
