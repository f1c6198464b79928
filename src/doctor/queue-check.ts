import { isWindlassError, messageOf } from '../base/errors.ts'
import { ok, problem, type Check, type DeclaredQueue, type Finding } from './check.ts'

/** Whether the queues that events come from can be read and their messages deleted. A message that waits is seen once more for it. */
export const queueCheck: Check = {
  name: 'queue',
  timeoutMs: 40_000,
  applies: ({ queues }) => queues.length > 0,
  async run({ queues }, signal) {
    return Promise.all(queues.map((queue) => lookAt(queue, signal)))
  },
}

async function lookAt({ vectorizer, open }: DeclaredQueue, signal: AbortSignal): Promise<Finding> {
  try {
    const queue = open()
    // Hidden for no time: whoever works takes them as if nothing had been.
    const messages = await queue.receive({ waitSeconds: 0, visibleAfterSeconds: 0, signal })
    // No message has this handle, and none is deleted: what is asked is only whether one may.
    await queue.delete([{ id: '0', handle: 'windlass-doctor', body: '', sentAt: 0 }]).catch((error: unknown) => {
      if (isWindlassError(error, 'denied')) throw error
    })
    return ok(`${queue.description} (vectorizer ${vectorizer}) can be read: ${messages.length === 0 ? 'nothing waits' : `${messages.length === 10 ? '10 or more messages wait' : `messages waiting: ${messages.length}`}`}`)
  } catch (error) {
    const message = messageOf(error)
    if (isWindlassError(error, 'denied')) return problem(`queue of vectorizer ${vectorizer}: ${message}`, { mend: `windlass iam ${vectorizer}   # prints the policy: sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility` })
    const isMissing = /NonExistentQueue|QueueDoesNotExist/.test(message)
    return problem(`queue of vectorizer ${vectorizer}: ${message}`, isMissing ? { why: 'the name, the account or the region in source.events.queueUrl is another', mend: 'aws sqs get-queue-url --queue-name <name> --region <region>' } : {})
  }
}
