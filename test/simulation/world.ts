import { seededRandom, type Random } from '../../src/base/random.ts'

/** What a step belongs to: a process that may have died, or slept, meanwhile. Null: the network, or the bucket itself. */
export interface Owner {
  readonly name: string
  isAlive: boolean
  /** World time before which nothing of it runs. */
  frozenUntil: number
}

interface Step {
  at: number
  readonly order: number
  readonly owner: Owner | null
  readonly label: string
  run(): void
  cancelled: boolean
}

/**
 * One virtual world: its time, its chance, and the order in which everything happens.
 *
 * Every asynchronous step of every process is a step here: an answer of the store, a timer. One runs, with all microtasks that follow
 * from it, before the next is chosen; so one seed is one history, as long as nothing does real input, output or timing.
 */
export class World {
  readonly seed: number
  /** For what the world does: delays, faults, crashes. */
  readonly random: Random
  /** For the processes' own chance: nonces, ids, jitter. */
  readonly processRandom: Random
  /** Milliseconds since the world began. */
  now = 0
  stepCount = 0
  /** Called with each line of the history; the same seed gives the same lines. */
  readonly trace: (line: string) => void
  /** Runs before each step of a process; may crash or freeze it. */
  beforeStep: (owner: Owner, label: string) => void = () => undefined
  #current: Owner | null = null
  #order = 0
  readonly #heap: Step[] = []

  constructor(seed: number, trace: (line: string) => void) {
    this.seed = seed
    this.random = seededRandom(seed)
    this.processRandom = seededRandom(seed ^ 0x5bd1e995)
    this.trace = trace
  }

  /** Uniform in [min, max). */
  between(min: number, max: number): number {
    return min + this.random.next() * (max - min)
  }

  /** An integer in [0, count). */
  below(count: number): number {
    return Math.floor(this.random.next() * count)
  }

  happens(rate: number): boolean {
    return this.random.next() < rate
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)]!
  }

  /** @returns a handle that takes the step back. */
  schedule(delayMs: number, owner: Owner | null, label: string, run: () => void): { cancel(): void } {
    const step: Step = { at: this.now + Math.max(0, delayMs), order: this.#order++, owner, label, run, cancelled: false }
    this.#push(step)
    return { cancel: () => void (step.cancelled = true) }
  }

  /** Runs steps until `isDone`, or none is left. @throws when `stepsMax` steps did not get there. */
  async run(isDone: () => boolean, stepsMax: number): Promise<void> {
    const restore = this.#takeTimers()
    try {
      for (let count = 0; !isDone(); count++) {
        if (count >= stepsMax) throw new Error(`not done after ${stepsMax} steps`)
        const step = this.#pop()
        if (!step) return
        await this.#run(step)
      }
    } finally {
      restore()
    }
  }

  async #run(step: Step): Promise<void> {
    const { owner } = step
    if (step.cancelled || (owner && !owner.isAlive)) return
    this.now = Math.max(this.now, step.at)
    if (owner && owner.frozenUntil > this.now) {
      step.at = owner.frozenUntil
      this.#push(step)
      return
    }
    if (owner) this.beforeStep(owner, step.label)
    if (owner && (!owner.isAlive || owner.frozenUntil > this.now)) {
      if (owner.isAlive) {
        step.at = owner.frozenUntil
        this.#push(step)
      }
      return
    }
    this.stepCount++
    this.trace(`${this.now.toFixed(3)} ${owner?.name ?? '-'} ${step.label}`)
    this.#current = owner
    step.run()
    await settle()
    this.#current = null
  }

  /** Timers that a process starts behind the injected clock's back are steps too. */
  #takeTimers(): () => void {
    const { setTimeout: realSet, clearTimeout: realClear } = globalThis
    const set = (task: () => void, ms = 0, ...rest: unknown[]): unknown => {
      if (!this.#current) return (realSet as (...args: unknown[]) => unknown)(task, ms, ...rest)
      const handle = { ...this.schedule(ms, this.#current, 'timer', task), ref: () => handle, unref: () => handle }
      return handle
    }
    const clear = (handle: unknown): void => {
      if (typeof handle === 'object' && handle !== null && 'cancel' in handle) (handle as { cancel(): void }).cancel()
      else realClear(handle as never)
    }
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear })
    return () => void Object.assign(globalThis, { setTimeout: realSet, clearTimeout: realClear })
  }

  #push(step: Step): void {
    const heap = this.#heap
    let at = heap.push(step) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(step, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = step
  }

  #pop(): Step | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (!first || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last!)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last!
    return first
  }
}

function isBefore(a: Step, b: Step): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** Every microtask that can run has run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
