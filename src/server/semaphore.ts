import { WindlassError } from '../base/errors.ts'

/** Lets a few run at once; the others wait in line, up to a bound. */
export class Semaphore {
  #free: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number, waitingMax: number) {
    this.#free = count
    this.#waitingMax = waitingMax
  }

  /** @throws {WindlassError} `unavailable` when too many wait already. */
  async run<Value>(task: () => Promise<Value>): Promise<Value> {
    if (this.#free > 0) this.#free--
    else {
      if (this.#waiting.length >= this.#waitingMax) throw new WindlassError('unavailable', `${this.#waitingMax} uploads wait already: try again`, { retryAfterMs: 5000 })
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
