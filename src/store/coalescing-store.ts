import { throwIfAborted, WindlassError } from '../base/errors.ts'
import { cutRange } from './object-key.ts'
import type { GetOptions, GetResult } from './object-store.ts'
import { WrappingStore } from './wrapping-store.ts'

interface Span {
  readonly start: number
  readonly end: number
}

/** One request under way, and how many wait for it. */
interface Flight {
  readonly answer: Promise<GetResult>
  readonly controller: AbortController
  /** What it fetches; undefined for the whole object. */
  readonly span: Span | undefined
  /** From now on nobody joins it. */
  land(): void
  waiting: number
}

interface Read {
  readonly span: Span
  readonly signal: AbortSignal | undefined
  resolve(answer: Promise<GetResult>): void
}

// A gap costs less than a request of its own up to about this: requests go side by side, so what a gap costs is bandwidth.
const gapMaxBytes = 256 * 1024
// Above this, two requests at once are faster than one.
const mergedMaxBytes = 8 * 1024 * 1024

/**
 * Reads near ranges of one object that are asked for in the same tick with one request, and lets reads of what is under way share
 * its answer. Only for objects that never change: a reader may get an answer from before it asked. What changes is read with
 * `fresh`, which passes by (docs/protocol.md, A2).
 */
export class CoalescingStore extends WrappingStore {
  readonly #flights = new Map<string, Flight[]>()
  readonly #reads = new Map<string, Read[]>()

  override async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    const { range, signal, fresh, ifNoneMatch } = options
    if (fresh || ifNoneMatch !== undefined || (range && 'suffix' in range)) return this.inner.get(key, options)
    throwIfAborted(signal)
    const flight = this.#flights.get(key)?.find(({ span }) => covers(span, range))
    if (flight) return this.#wait(flight, range, signal)
    if (!range) return this.#wait(this.#send(key, undefined), undefined, signal)
    return new Promise((resolve) => {
      const reads = this.#reads.get(key)
      const read: Read = { span: range, signal, resolve }
      if (reads) reads.push(read)
      else {
        this.#reads.set(key, [read])
        queueMicrotask(() => this.#sendAll(key))
      }
    })
  }

  #sendAll(key: string): void {
    const reads = this.#reads.get(key) ?? []
    this.#reads.delete(key)
    for (const group of groupNear(reads)) {
      const flight = this.#send(key, { start: group[0]!.span.start, end: Math.max(...group.map(({ span }) => span.end)) })
      for (const { span, signal, resolve } of group) resolve(this.#wait(flight, span, signal))
    }
  }

  #send(key: string, span: Span | undefined): Flight {
    const controller = new AbortController()
    const answer = this.inner.get(key, { ...(span && { range: span }), signal: controller.signal })
    const land = () => this.#land(key, flight)
    const flight: Flight = { answer, controller, span, land, waiting: 0 }
    this.#flights.set(key, [...(this.#flights.get(key) ?? []), flight])
    answer.then(land, land)
    return flight
  }

  #land(key: string, flight: Flight): void {
    const others = (this.#flights.get(key) ?? []).filter((other) => other !== flight)
    if (others.length > 0) this.#flights.set(key, others)
    else this.#flights.delete(key)
  }

  async #wait(flight: Flight, span: Span | undefined, signal: AbortSignal | undefined): Promise<GetResult> {
    flight.waiting++
    const isShared = () => flight.waiting > 1 || flight.span !== span
    let leave = () => {}
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(new WindlassError('cancelled', 'cancelled by the caller', { cause: signal?.reason }))
    })
    const abort = () => {
      // The last one out stops the request, which nobody may join then.
      if (--flight.waiting === 0) {
        flight.land()
        flight.controller.abort()
      }
      leave()
    }
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort, { once: true })
    try {
      const answer = await Promise.race([left, flight.answer])
      if (answer.kind !== 'found') return answer
      return isShared() ? { ...answer, bytes: cutFrom(answer, flight.span, span) } : answer
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }
}

/** Reads whose gaps are small, in groups, each in order of their starts. */
function groupNear(reads: readonly Read[]): Read[][] {
  const groups: Read[][] = []
  let end = 0
  for (const read of [...reads].sort((a, b) => a.span.start - b.span.start)) {
    const group = groups.at(-1)
    const fits = group && read.span.start - end <= gapMaxBytes && Math.max(end, read.span.end) - group[0]!.span.start <= mergedMaxBytes
    if (fits) group.push(read)
    else groups.push([read])
    end = fits ? Math.max(end, read.span.end) : read.span.end
  }
  return groups
}

function covers(span: Span | undefined, wanted: Span | undefined): boolean {
  if (!span || !wanted) return span === wanted
  return span.start <= wanted.start && wanted.end <= span.end
}

/** A copy of the wanted part: who shares an answer must not share its bytes. */
function cutFrom({ bytes, size }: { bytes: Uint8Array; size: number }, span: Span | undefined, wanted: Span | undefined): Uint8Array {
  const [start, end] = cutRange(wanted, size)
  const offset = span ? Math.min(span.start, size) : 0
  return bytes.slice(start - offset, end - offset)
}
