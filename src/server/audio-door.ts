import { startTimer } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { AudioHandle } from '../library/audio-handle.ts'
import type { Log } from './log.ts'

/** So long after it last looked, a server looks for what others have left: a process may have died. One request of a listing. */
const lookMs = 300_000

/** The recordings of a server, and the work on them: one after another, in the background. */
export class AudioDoor {
  readonly collection: string
  readonly #open: () => Promise<AudioHandle>
  readonly #log: Log
  readonly #closing = new AbortController()
  #opened: Promise<AudioHandle> | null = null
  #working: Promise<void> | null = null
  #isAsked = false
  #timer: { stop(): void } | null = null

  constructor(collection: string, open: () => Promise<AudioHandle>, log: Log) {
    this.collection = collection
    this.#open = open
    this.#log = log
  }

  open(): Promise<AudioHandle> {
    // What could not be opened is tried again next time.
    return (this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = null
      throw error
    }))
  }

  /** There is something to do, or may be. */
  wake(): void {
    this.#isAsked = true
    if (this.#working || this.#closing.signal.aborted) return
    this.#timer?.stop()
    this.#working = this.#work().finally(() => {
      this.#working = null
      if (this.#isAsked) this.wake()
      else if (!this.#closing.signal.aborted) this.#timer = startTimer(lookMs, () => this.wake())
    })
  }

  /** Leaves what is in work to the next process. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#timer?.stop()
    await this.#working
    await (await this.#opened?.catch(() => null))?.close()
  }

  async #work(): Promise<void> {
    try {
      const audio = await this.open()
      while (this.#isAsked && !this.#closing.signal.aborted) {
        this.#isAsked = false
        for (const { id, recording, error } of await audio.work(this.#closing.signal)) {
          if (this.#closing.signal.aborted) return
          if (error) this.#log.warn(`recording ${id}: ${messageOf(error)}`)
          else this.#log.info(`recording ${id} is ${recording!.state}`, { name: recording!.name, seconds: recording!.seconds, speakers: recording!.speakers.length })
        }
      }
    } catch (error) {
      this.#isAsked = false
      if (!this.#closing.signal.aborted) this.#log.warn(`recordings: ${messageOf(error)}`)
    }
  }
}
