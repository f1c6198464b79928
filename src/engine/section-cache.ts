/**
 * What has been read and decoded of segments, under one byte budget; least recently used goes first.
 * Nothing in it is needed for correctness. Concurrent loads of one name share one read.
 */
export class SectionCache {
  readonly budgetBytes: number
  // A Map iterates in insertion order; re-inserting on use makes it a queue from least to most recently used.
  readonly #entries = new Map<string, { value: unknown; size: number }>()
  readonly #loading = new Map<string, Promise<unknown>>()
  #size = 0

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes
  }

  get sizeBytes(): number {
    return this.#size
  }

  /** The cached value, or undefined. */
  peek<Value>(name: string): Value | undefined {
    const entry = this.#entries.get(name)
    if (!entry) return undefined
    this.#entries.delete(name)
    this.#entries.set(name, entry)
    return entry.value as Value
  }

  /** The cached value, or what `load` reads. `size`: bytes it holds in memory. */
  async get<Value>(name: string, load: () => Promise<{ value: Value; size: number }>): Promise<Value> {
    const cached = this.peek<Value>(name)
    if (cached !== undefined) return cached
    const loading = this.#loading.get(name)
    if (loading) return loading as Promise<Value>
    const started = load()
      .then(({ value, size }) => {
        this.put(name, value, size)
        return value
      })
      .finally(() => this.#loading.delete(name))
    this.#loading.set(name, started)
    return started
  }

  /** Keeps `value`; evicts others until the budget holds. A value above the whole budget is not kept. */
  put(name: string, value: unknown, size: number): void {
    this.drop(name)
    if (size > this.budgetBytes) return
    this.#entries.set(name, { value, size })
    this.#size += size
    for (const oldest of this.#entries.keys()) {
      if (this.#size <= this.budgetBytes) break
      this.drop(oldest)
    }
  }

  drop(name: string): void {
    const entry = this.#entries.get(name)
    if (!entry) return
    this.#entries.delete(name)
    this.#size -= entry.size
  }
}
