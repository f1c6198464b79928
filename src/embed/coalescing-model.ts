import type { Clock } from '../base/clock.ts'
import { isWindlassError, throwIfAborted } from '../base/errors.ts'
import type { EmbeddingModel, TextKind } from './embedding-model.ts'

interface Waiting {
  readonly texts: readonly string[]
  readonly kind: TextKind
  resolve(vectors: Float32Array[]): void
  reject(error: unknown): void
}

/**
 * A model whose calls that are made at about the same time go out as one: many small documents, each with a chunk or two, are then a
 * few full requests. What a call of several refuses is asked again one by one, so that one bad text fails only its own.
 */
export class CoalescingModel implements EmbeddingModel {
  readonly name: string
  readonly dimension: number
  readonly tokensMax: number | undefined
  readonly #model: EmbeddingModel
  readonly #clock: Clock
  readonly #waitMs: number
  #waiting: Waiting[] = []

  /** @param waitMs How long the first of several waits for the others. */
  constructor(model: EmbeddingModel, { clock, waitMs = 5 }: { clock: Clock; waitMs?: number }) {
    this.name = model.name
    this.dimension = model.dimension
    this.tokensMax = model.tokensMax
    this.#model = model
    this.#clock = clock
    this.#waitMs = waitMs
  }

  countTokens(text: string): number {
    return this.#model.countTokens(text)
  }

  /** An aborted signal ends the wait of who gave it; what has been sent for others goes on. */
  embed(texts: readonly string[], { kind = 'document', signal }: { kind?: TextKind; signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    throwIfAborted(signal)
    return new Promise((resolve, reject) => {
      const cancel = () => {
        try {
          throwIfAborted(signal)
        } catch (error) {
          reject(error as Error)
        }
      }
      signal?.addEventListener('abort', cancel, { once: true })
      const ended = <Value>(settle: (value: Value) => void) => (value: Value) => {
        signal?.removeEventListener('abort', cancel)
        settle(value)
      }
      this.#waiting.push({ texts, kind, resolve: ended(resolve), reject: ended(reject) })
      if (this.#waiting.length === 1) void this.#clock.sleep(this.#waitMs).then(() => this.#flush())
    })
  }

  #flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const kind of ['document', 'query'] as const) {
      const calls = waiting.filter((each) => each.kind === kind)
      if (calls.length > 0) void this.#send(calls, kind)
    }
  }

  async #send(calls: readonly Waiting[], kind: TextKind): Promise<void> {
    try {
      const vectors = await this.#model.embed(calls.flatMap(({ texts }) => texts), { kind })
      let start = 0
      for (const { texts, resolve } of calls) resolve(vectors.slice(start, (start += texts.length)))
    } catch (error) {
      const isOfOne = isWindlassError(error, 'invalid', 'too-large')
      for (const call of calls) {
        if (calls.length > 1 && isOfOne) await this.#send([call], kind)
        else call.reject(error)
      }
    }
  }
}
