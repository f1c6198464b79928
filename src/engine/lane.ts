/** Runs tasks one after the other, in the order they came; a failed one does not stop the next. */
export class Lane {
  #tail: Promise<unknown> = Promise.resolve()

  run<Value>(task: () => Promise<Value>): Promise<Value> {
    const result = this.#tail.then(task)
    this.#tail = result.catch(() => undefined)
    return result
  }
}

/**
 * Lets callers share a run that has not started yet: one in flight, one next.
 * A run already in flight is never joined: it may have looked before the caller's moment (docs/protocol.md, A2).
 */
export class SharedRun<Value> {
  readonly #task: () => Promise<Value>
  #running: Promise<Value> | null = null
  #next: Promise<Value> | null = null

  constructor(task: () => Promise<Value>) {
    this.#task = task
  }

  /** Resolves with the result of a run that starts after this call. Calls of one turn of the event loop share it. */
  join(): Promise<Value> {
    this.#next ??= (this.#running ?? Promise.resolve()).then(ignore, ignore).then(() => {
      this.#next = null
      return this.#start()
    })
    return this.#next
  }

  #start(): Promise<Value> {
    const running = this.#task().finally(() => {
      if (this.#running === running) this.#running = null
    })
    this.#running = running
    return running
  }
}

function ignore(): void {}
