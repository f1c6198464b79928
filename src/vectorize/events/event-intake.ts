import type { RunReport } from '../run/report.ts'
import type { Following } from '../vectorizer.ts'
import { compareSequencers, type ObjectEvent } from './object-event.ts'

/** What became of a message. */
export interface MessageOutcome {
  /** Everything in it was looked at, is not ours, or can only be helped by a person: `windlass errors` has it then. */
  readonly isDone: boolean
  /** When what failed is due again: milliseconds since 1970. */
  readonly retryAt?: number
}

export interface IntakeReport extends RunReport {
  /** Events that named nothing of the source, or that a later one of the same key had overtaken. */
  readonly skipped: number
}

const sequencersMax = 20_000

/**
 * Turns events into looks at the source. Of several events of one document one look remains; which came first does not matter, since
 * what is applied is what the bucket holds by then. An event that is older than one that was applied is passed over.
 */
export class EventIntake {
  readonly #following: Following
  /** By bucket and key: the latest that was applied. The oldest known are forgotten first. */
  readonly #applied = new Map<string, string>()

  constructor(following: Following) {
    this.#following = following
  }

  /**
   * @param messages Events of each message.
   * @throws {WindlassError} what stops all of it: no message counts as done then.
   */
  async apply(messages: readonly (readonly ObjectEvent[])[]): Promise<{ outcomes: MessageOutcome[]; report: IntakeReport }> {
    const paths = new Map<ObjectEvent, string>()
    let skipped = 0
    for (const event of messages.flat()) {
      const path = this.#isOvertaken(event) ? null : await this.#following.locate(event)
      if (path === null) skipped++
      else paths.set(event, path)
    }
    const report = await this.#following.apply([...paths.values()])
    const failures = new Map(report.failures.map((failure) => [failure.path, failure]))
    for (const [event, path] of paths) if (!failures.has(path)) this.#remember(event)
    const outcomes = messages.map((events): MessageOutcome => {
      const due = events.flatMap((event) => failures.get(paths.get(event) ?? '')?.retryAt ?? [])
      return due.length === 0 ? { isDone: true } : { isDone: false, retryAt: Math.min(...due) }
    })
    return { outcomes, report: { ...report, skipped } }
  }

  #isOvertaken({ bucket, key, sequencer }: ObjectEvent): boolean {
    const known = this.#applied.get(`${bucket}/${key}`)
    return sequencer !== undefined && known !== undefined && compareSequencers(sequencer, known) <= 0
  }

  #remember({ bucket, key, sequencer }: ObjectEvent): void {
    if (sequencer === undefined) return
    const name = `${bucket}/${key}`
    const known = this.#applied.get(name)
    this.#applied.delete(name)
    this.#applied.set(name, known !== undefined && compareSequencers(known, sequencer) > 0 ? known : sequencer)
    if (this.#applied.size > sequencersMax) this.#applied.delete(this.#applied.keys().next().value!)
  }
}
