import type { Clock } from '../../src/base/clock.ts'
import type { MessageQueue, QueueMessage } from '../../src/aws/sqs.ts'

/** A queue in memory that delivers as SQS does: again and again until a message is deleted, once nobody hides it. */
export class MemoryQueue implements MessageQueue {
  readonly description = 'memory queue'
  readonly #clock: Clock
  #messages: { message: QueueMessage; visibleAt: number; deliveries: number }[] = []
  #sent = 0
  /** The next calls fail so. */
  trouble: Error | null = null
  readonly postponed: number[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#messages.length
  }

  send(body: unknown): void {
    const id = `m${++this.#sent}`
    this.#messages.push({ message: { id, handle: id, body: typeof body === 'string' ? body : JSON.stringify(body), sentAt: this.#clock.now() }, visibleAt: 0, deliveries: 0 })
  }

  async receive({ visibleAfterSeconds, waitSeconds, signal }: { waitSeconds: number; visibleAfterSeconds: number; signal?: AbortSignal }): Promise<QueueMessage[]> {
    if (this.trouble) throw this.trouble
    const now = this.#clock.now()
    const due = this.#messages.filter(({ visibleAt }) => visibleAt <= now).slice(0, 10)
    if (due.length === 0 && waitSeconds > 0) await this.#clock.sleep(5, signal)
    for (const each of due) {
      each.visibleAt = now + visibleAfterSeconds * 1000
      each.deliveries++
    }
    return due.map(({ message }) => message)
  }

  async delete(messages: readonly QueueMessage[]): Promise<void> {
    if (this.trouble) throw this.trouble
    const gone = new Set(messages.map(({ handle }) => handle))
    this.#messages = this.#messages.filter(({ message }) => !gone.has(message.handle))
  }

  async postpone(messages: readonly { readonly message: QueueMessage; readonly seconds: number }[]): Promise<void> {
    for (const { message, seconds } of messages) {
      const found = this.#messages.find((each) => each.message.handle === message.handle)
      if (!found) continue
      found.visibleAt = this.#clock.now() + seconds * 1000
      this.postponed.push(seconds)
    }
  }
}
