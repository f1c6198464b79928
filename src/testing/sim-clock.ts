import type { Clock } from '../base/clock.ts'
import { WindlassError } from '../base/errors.ts'

interface Sleeper {
  readonly wakesAt: number
  readonly order: number
  wake(): void
}

/** Time that passes only when a test says so. Sleepers wake in the order of their times, ties in the order they began. */
export class SimClock implements Clock {
  #sleepers: Sleeper[] = []
  #elapsed = 0
  #order = 0
  readonly #start: number

  /** @param start What the wall clock shows at first: milliseconds since 1970. */
  constructor(start = 1_700_000_000_000) {
    this.#start = start
  }

  now(): number {
    return this.#start + this.#elapsed
  }

  monotonic(): number {
    return this.#elapsed
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancelled = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        reject(new WindlassError('cancelled', 'cancelled by the caller', { cause: signal?.reason }))
      }
      const wake = () => {
        signal?.removeEventListener('abort', cancelled)
        resolve()
      }
      const sleeper: Sleeper = { wakesAt: this.#elapsed + Math.max(0, ms), order: this.#order++, wake }
      if (signal?.aborted) return cancelled()
      signal?.addEventListener('abort', cancelled, { once: true })
      this.#sleepers.push(sleeper)
    })
  }

  /** How many sleep now. */
  get sleeping(): number {
    return this.#sleepers.length
  }

  /** Lets `ms` pass, waking who is due; what they do until they wait again is done when this resolves. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await settle()
    for (let next = this.#next(); next && next.wakesAt <= end; next = this.#next()) await this.#wake(next)
    this.#elapsed = Math.max(this.#elapsed, end)
  }

  /** Lets time pass until `task` is done. @throws when it waits for something that is not time. */
  async runUntil<Value>(task: Promise<Value>): Promise<Value> {
    let isDone = false
    const finish = () => (isDone = true)
    task.then(finish, finish)
    await settle()
    while (!isDone) {
      const next = this.#next()
      if (next) await this.#wake(next)
      else {
        // Real input and output takes turns of the event loop.
        for (let turn = 0; turn < 1000 && !isDone && this.#sleepers.length === 0; turn++) await settle()
        if (!isDone && this.#sleepers.length === 0) throw new Error('nobody sleeps, and the task is not done: it waits for something else than time')
      }
    }
    return task
  }

  #next(): Sleeper | undefined {
    return this.#sleepers.reduce<Sleeper | undefined>((first, each) => (!first || each.wakesAt < first.wakesAt || (each.wakesAt === first.wakesAt && each.order < first.order) ? each : first), undefined)
  }

  async #wake(sleeper: Sleeper): Promise<void> {
    this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
    this.#elapsed = Math.max(this.#elapsed, sleeper.wakesAt)
    sleeper.wake()
    await settle()
  }
}

/** Everything that can run without time passing has run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
