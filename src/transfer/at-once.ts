/**
 * Runs `task` for each item, at most so many at once. The first failure stops the taking of new items, and is thrown when those that run
 * have ended.
 */
export async function forEachAtOnce<Item>(items: Iterable<Item> | AsyncIterable<Item>, atOnce: number, task: (item: Item) => Promise<void>): Promise<void> {
  const iterator: Iterator<Item> | AsyncIterator<Item> = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  let isOver = false
  // An async generator queues what is asked of it: each item goes to one worker.
  const work = async () => {
    while (!isOver) {
      const next = await iterator.next()
      if (next.done) break
      await task(next.value)
    }
  }
  const workers = await Promise.allSettled(
    Array.from({ length: atOnce }, () =>
      work().catch((error: unknown) => {
        isOver = true
        throw error
      }),
    ),
  )
  const failed = workers.find((worker) => worker.status === 'rejected')
  if (failed) throw failed.reason
}

/** Shares a number of bytes of memory among those that wait for them, in the order in which they asked. */
export class ByteBudget {
  readonly #total: number
  #free: number
  #waiting: { bytes: number; go: () => void }[] = []

  constructor(total: number) {
    this.#total = total
    this.#free = total
  }

  /** Runs `task` when so many bytes are free; who wants more than there are gets all. */
  async hold<Value>(bytes: number, task: () => Promise<Value>): Promise<Value> {
    const wanted = Math.min(bytes, this.#total)
    if (this.#waiting.length > 0 || wanted > this.#free) await new Promise<void>((go) => this.#waiting.push({ bytes: wanted, go }))
    else this.#free -= wanted
    try {
      return await task()
    } finally {
      this.#free += wanted
      for (let [first] = this.#waiting; first && first.bytes <= this.#free; [first] = this.#waiting) {
        this.#free -= first.bytes
        this.#waiting.shift()
        first.go()
      }
    }
  }
}

/**
 * Buffers of one size that are used again and again: a new one of megabytes for each part costs more in page faults and garbage
 * collection than the part costs in everything else.
 */
export class BufferPool {
  readonly #bytes: number
  readonly #free: Buffer[] = []

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  /** Gives a buffer to `task` until it resolves; what it holds is anything. One of a task that failed may still be written to, and is not given again. */
  async use<Value>(task: (buffer: Buffer) => Promise<Value>): Promise<Value> {
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes)
    const value = await task(buffer)
    this.#free.push(buffer)
    return value
  }
}
