import type { Clock } from '../base/clock.ts'
import { WindlassError } from '../base/errors.ts'
import { EventIntake, type IntakeReport, type MessageOutcome } from '../vectorize/events/event-intake.ts'
import { readEvents, type ObjectEvent } from '../vectorize/events/object-event.ts'
import type { Vectorizer } from '../vectorize/vectorizer.ts'

/** What became of events that were handed in, and of those that were looked at together with them. */
export type EventAnswer = MessageOutcome & { readonly report: IntakeReport }

// Whoever sends events one by one, and waits for the answer to each, finds everything still open for the next.
const idleMs = 30_000
const batchMax = 500

/** Where events are handed in for vectorizers, one request at a time: what arrives while others are being looked at is looked at together. */
export class EventDoor {
  readonly #lines: ReadonlyMap<string, EventLine>

  constructor(vectorizers: readonly Vectorizer[], clock: Clock) {
    this.#lines = new Map(vectorizers.map((each) => [each.name, new EventLine(each, clock)]))
  }

  /**
   * @param message As `readEvents` takes it. @throws {WindlassError} `not-found` for a vectorizer that is not declared, `invalid` for a
   * message that is none; what stops all of it.
   */
  async apply(name: string, message: unknown): Promise<EventAnswer> {
    const line = this.#lines.get(name)
    if (!line) throw new WindlassError('not-found', `no vectorizer ${JSON.stringify(name)} is declared here: ${[...this.#lines.keys()].join(', ') || 'start the server with --config windlass.yaml'}`, { path: 'name' })
    return line.add(readEvents(message))
  }

  /** Ends what is being done. */
  async close(): Promise<void> {
    await Promise.all([...this.#lines.values()].map((line) => line.close()))
  }
}

interface Waiting {
  readonly events: readonly ObjectEvent[]
  resolve(answer: EventAnswer): void
  reject(error: unknown): void
}

class EventLine {
  readonly #vectorizer: Vectorizer
  readonly #clock: Clock
  readonly #closing = new AbortController()
  #waiting: Waiting[] = []
  #working: Promise<void> | null = null
  #wake: (() => void) | null = null

  constructor(vectorizer: Vectorizer, clock: Clock) {
    this.#vectorizer = vectorizer
    this.#clock = clock
  }

  add(events: readonly ObjectEvent[]): Promise<EventAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#closing.signal.aborted) return reject(new WindlassError('unavailable', 'this process ends: send the event again'))
      this.#waiting.push({ events, resolve, reject })
      this.#wake?.()
      this.#start()
    })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#wake?.()
    await this.#working
  }

  #start(): void {
    this.#working ??= this.#work().finally(() => {
      this.#working = null
      // Came between the last look and the end.
      if (this.#waiting.length > 0) this.#start()
    })
  }

  async #work(): Promise<void> {
    let batch: Waiting[] = []
    try {
      await this.#vectorizer.follow(async (following) => {
        const intake = new EventIntake(following)
        do {
          while ((batch = this.#waiting.splice(0, batchMax)).length > 0) {
            const { outcomes, report } = await intake.apply(batch.map(({ events }) => events))
            batch.forEach(({ resolve }, i) => resolve({ ...outcomes[i]!, report }))
          }
        } while (await this.#more())
      })
    } catch (error) {
      // All that waited for the same thing are told of the same trouble: they come again, by whoever sent them.
      for (const { reject } of [...batch, ...this.#waiting.splice(0)]) reject(error)
    }
  }

  /** Waits a while for another. */
  async #more(): Promise<boolean> {
    if (this.#closing.signal.aborted) return this.#waiting.length > 0
    const idle = new AbortController()
    await Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), this.#clock.sleep(idleMs, idle.signal).catch(() => undefined)])
    this.#wake = null
    idle.abort()
    return this.#waiting.length > 0
  }
}
