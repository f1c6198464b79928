import { isWindlassError, WindlassError } from '../../src/base/errors.ts'
import { decodeLogRecord } from '../../src/format/log-record.ts'
import type { GetOptions, GetResult, ListedObject, ListOptions, ObjectStore, PutOptions, PutResult } from '../../src/store/object-store.ts'
import type { ObjectHead } from '../../src/store/wrapping-store.ts'
import { hashOf, type Bucket } from './bucket.ts'
import type { FaultRates } from './plan.ts'
import type { Owner, World } from './world.ts'

/** What all processes' stores share: the bucket, its clock, and how badly the network behaves. */
export interface StoreSituation {
  readonly world: World
  readonly bucket: Bucket
  rates: FaultRates
  readonly hasDate: boolean
  readonly refusesMissing: boolean
  /** The store's wall clock is world time plus this. */
  readonly epochMs: number
  /** Chance that a request of a dead process, still on its way, arrives. */
  readonly orphanRate: number
  /** Counts what happened, by name. */
  count(name: string): void
  /** Told when a conditional put of a log number is sent while another of the same process and collection is on its way. */
  report(problem: string): void
  operations: number
}

type Fault = keyof FaultRates | null

const pageSize = 3
// A put signed a quarter of an hour ago is refused by every S3 server: nothing arrives later (docs/protocol.md, B4).
export const lateMaxMs = 14 * 60_000

/** One process's handle on the bucket: requests travel, arrive, take effect at one moment, and their answers travel back; or not. */
export class SimStore implements ObjectStore {
  readonly url = 'sim:'
  readonly #situation: StoreSituation
  readonly #owner: Owner
  readonly #lastPut: Map<string, number>
  /** While this says so, every read is refused: the credentials lost the right. */
  isReadRefused: () => boolean = () => false
  readonly #logPutsUnderWay = new Set<string>()

  constructor(situation: StoreSituation, owner: Owner, lastPut: Map<string, number>) {
    this.#situation = situation
    this.#owner = owner
    this.#lastPut = lastPut
  }

  get(key: string, { range, ifNoneMatch }: GetOptions = {}): Promise<GetResult> {
    return this.#call('get', key, 'read', (): GetResult => {
      const { bucket } = this.#situation
      const date = this.#date()
      const object = bucket.objects.get(key)
      if (this.isReadRefused()) throw this.#error('denied', 'get', key, 403)
      if (!object) {
        if (this.#situation.refusesMissing) throw this.#error('denied', 'get', key, 403)
        if (/segments|deletes/.test(key)) this.#situation.count('object swept under a reader')
        return { kind: 'absent', date }
      }
      const { etag, bytes, lastModified } = object
      if (ifNoneMatch === etag) return { kind: 'unchanged', date }
      const [start, end] = !range ? [0, bytes.length] : 'suffix' in range ? [Math.max(0, bytes.length - range.suffix), bytes.length] : [range.start, range.end]
      return { kind: 'found', bytes: bytes.slice(start, end), etag, size: bytes.length, lastModified, date }
    })
  }

  async head(key: string): Promise<ObjectHead | null> {
    const answer = await this.get(key)
    if (answer.kind !== 'found') return null
    const { etag, size, lastModified, date } = answer
    return { etag, size, lastModified, date }
  }

  async put(key: string, bytes: Uint8Array, { condition }: PutOptions = {}): Promise<PutResult> {
    const { bucket, world, epochMs } = this.#situation
    const sent = bytes.slice()
    const folder = condition && 'ifAbsent' in condition && key.includes('/log/') && !doesNothing(sent, key) ? key.slice(0, key.lastIndexOf('/')) : null
    if (folder !== null && this.#logPutsUnderWay.has(folder)) this.#situation.report(`${this.#owner.name} sends ${key} while another log put of it is on its way (B3)`)
    if (folder !== null) this.#logPutsUnderWay.add(folder)
    try {
      return await this.#call('put', key, condition ? 'conditional' : 'write', () => {
        const etag = bucket.put(key, sent, condition, world.now, world.now + epochMs, this.#owner.name)
        if (etag === null) {
          const isOwn = bucket.objects.get(key)?.etag === hashOf(sent)
          this.#situation.count(isOwn ? 'condition lost against itself' : `condition lost on ${kindOf(key)}`)
          throw this.#error('conflict', 'put', key, 412)
        }
        return { etag, date: this.#date() }
      })
    } finally {
      if (folder !== null) this.#logPutsUnderWay.delete(folder)
    }
  }

  async *list(prefix: string, { startAfter = '' }: ListOptions = {}): AsyncIterable<ListedObject> {
    for (let last = startAfter; ; ) {
      const after = last
      const page = await this.#call('list', prefix, 'read', () => {
        const { bucket, world } = this.#situation
        if (after === startAfter) bucket.listedAt.set(`${this.#owner.name} ${prefix}`, world.now)
        return bucket.page(prefix, after, pageSize)
      })
      for (const { key, object } of page) yield { key, size: object.bytes.length, lastModified: object.lastModified }
      if (page.length < pageSize) return
      last = page.at(-1)!.key
    }
  }

  delete(keys: readonly string[]): Promise<void> {
    const { bucket, world } = this.#situation
    const sentAt = world.now
    return this.#call('delete', keys[0] ?? '', 'write', () => {
      for (const key of keys) bucket.delete(key, world.now, this.#owner.name, sentAt)
    })
  }

  #date(): number | undefined {
    const { hasDate, world, epochMs } = this.#situation
    // The header has whole seconds.
    return hasDate ? Math.floor((world.now + epochMs) / 1000) * 1000 : undefined
  }

  /** Sends one request. `effect` happens at one moment at the bucket, at most once for each time that it arrives. */
  #call<Value>(operation: string, key: string, nature: 'read' | 'write' | 'conditional', effect: () => Value): Promise<Value> {
    const situation = this.#situation
    const { world } = situation
    const index = situation.operations++
    const label = `${operation} ${key} #${index}`
    const fault = this.#drawFault(key, operation, nature)
    if (fault) situation.count(fault)
    const there = this.#latency(fault)
    const back = this.#latency(fault)
    return new Promise<Value>((resolve, reject) => {
      const deliver = (delay: number, what: string, settle: () => void) => world.schedule(delay, this.#owner, `${label}: ${what}`, settle)
      const fail = (delay: number, error: WindlassError) => deliver(delay, error.kind, () => reject(error))
      const arrive = (delay: number, then: (run: () => Value) => void) =>
        world.schedule(delay, null, `${label} from ${this.#owner.name}`, () => {
          if (!this.#owner.isAlive) {
            const arrives = world.happens(situation.orphanRate)
            situation.count(arrives ? 'effect after crash' : 'request lost in crash')
            if (!arrives) return
          }
          then(effect)
        })
      const unanswered = () => this.#error(nature === 'read' ? 'unavailable' : 'outcome-unknown', operation, key)
      const answer = (run: () => Value) => {
        try {
          const value = run()
          deliver(back, 'ok', () => resolve(value))
        } catch (error) {
          if (!isWindlassError(error)) throw error
          fail(back, error)
        }
      }
      switch (fault) {
        case 'refused':
          return void fail(there + back, this.#error('unavailable', operation, key, 503))
        case 'throttled':
          return void fail(there + back, new WindlassError('unavailable', `${operation} of ${key}: 429`, { key, status: 429, retryAfterMs: 1000 }))
        case 'conflict409':
          return void fail(there + back, this.#error('conflict', operation, key, 409))
        case 'lostRequest':
          return void fail(world.between(50, 20_000), unanswered())
        case 'lostAnswer':
          arrive(there, (run) => attempt(run))
          return void fail(there + world.between(50, 20_000), unanswered())
        case 'late': {
          const gaveUp = world.between(50, 20_000)
          fail(gaveUp, unanswered())
          return void arrive(gaveUp + world.between(0, world.happens(0.5) ? 2000 : lateMaxMs - gaveUp), (run) => situation.count(attempt(run) ? 'late effect' : 'late request refused'))
        }
        case 'repeated':
          arrive(there, (run) => attempt(run))
          return void arrive(there + world.between(0, 50), answer)
        default:
          return void arrive(there, answer)
      }
    })
  }

  #drawFault(key: string, operation: string, nature: 'read' | 'write' | 'conditional'): Fault {
    const { world, rates } = this.#situation
    const dice = world.random.next()
    const isPut = operation === 'put'
    const last = this.#lastPut.get(key)
    if (isPut) this.#lastPut.set(key, world.now)
    let sum = 0
    for (const name of ['refused', 'lostRequest', 'lostAnswer', 'late', 'repeated', 'conflict409', 'slow'] as const) {
      if (name === 'repeated' && !isPut) continue
      if (name === 'late' && nature === 'read') continue
      if (name === 'conflict409' && nature !== 'conditional') continue
      // What must not be missed strikes more often where it matters.
      sum += rates[name] * (nature === 'conditional' && name !== 'slow' ? 3 : 1)
      if (dice < sum) return name
    }
    if (isPut && last !== undefined && world.now - last < 1000 && dice < sum + rates.throttled * 5) return 'throttled'
    return null
  }

  #latency(fault: Fault): number {
    const { world } = this.#situation
    if (fault === 'slow') return world.between(100, 10_000)
    const dice = world.random.next()
    return dice < 0.15 ? 0 : dice < 0.9 ? world.between(0.5, 12) : world.between(10, 120)
  }

  #error(kind: 'unavailable' | 'outcome-unknown' | 'conflict' | 'denied', operation: string, key: string, status?: number): WindlassError {
    return new WindlassError(kind, `${operation} of ${key}: simulated ${status ?? 'loss'}`, { key, operation, ...(status !== undefined && { status }) })
  }
}

/** Runs an effect whose answer nobody gets. @returns whether it took place. */
function attempt(run: () => unknown): boolean {
  try {
    run()
    return true
  } catch (error) {
    if (!isWindlassError(error)) throw error
    return false
  }
}

/**
 * Whether a commit is what a sweep puts to give up a restore: beside a write of its process, as another process would. It leaves no gap,
 * for who began the restore had seen the number before it (E3), and nobody waits for what became of it.
 */
function doesNothing(bytes: Uint8Array, key: string): boolean {
  const { batches, event } = decodeLogRecord(bytes, key)
  return batches.length === 0 && event === null
}

function kindOf(key: string): string {
  return key.startsWith('catalog/') ? 'a name' : key.includes('/log/') ? 'a log number' : key.endsWith('/manifest') ? 'a manifest' : 'another object'
}
