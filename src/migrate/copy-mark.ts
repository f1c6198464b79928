import { fromUtf8, toUtf8 } from '../base/bytes.ts'
import { toIsoTime, type Clock } from '../base/clock.ts'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import { newNonce, type Random } from '../base/random.ts'
import { copyMarkKey } from '../library/copy-under-way.ts'
import { putOnce } from './put-once.ts'
import type { ObjectStore } from '../store/object-store.ts'

const lookEveryMs = 2000

/** The right to write to the destination of a copy: the run that came last has it. */
export class CopyMark {
  /** Whether an earlier run left something. */
  readonly isResumed: boolean
  readonly #to: ObjectStore
  readonly #clock: Clock
  /** Null in a dry run, which writes nothing and so has no right to lose. */
  readonly #nonce: string | null
  #lookedAt: number

  private constructor(to: ObjectStore, clock: Clock, nonce: string | null, isResumed: boolean) {
    this.#to = to
    this.#clock = clock
    this.#nonce = nonce
    this.isResumed = isResumed
    this.#lookedAt = clock.monotonic()
  }

  /** Takes the mark, also from a run that is still at work: that one stops. @throws {WindlassError} `conflict` where a copy of something else is under way. */
  static async take(to: ObjectStore, from: string, { clock, random, dryRun }: { clock: Clock; random: Random; dryRun: boolean }): Promise<CopyMark> {
    const found = await to.get(copyMarkKey, { fresh: true })
    const isResumed = found.kind === 'found'
    if (isResumed) {
      const other = parse(found.bytes).from
      if (other !== from) throw new WindlassError('conflict', `a copy of ${other} to ${to.url} is under way: finish it, or copy to another place`, { path: 'to' })
    }
    if (dryRun) return new CopyMark(to, clock, null, isResumed)
    const nonce = newNonce(random)
    const bytes = toUtf8(JSON.stringify({ from, startedAt: toIsoTime(clock.now()), nonce }))
    if (!(await putOnce(to, copyMarkKey, bytes, isResumed ? { ifMatch: found.etag } : { ifAbsent: true }))) throw new WindlassError('conflict', `another copy to ${to.url} began at this moment: let it finish`, { path: 'to' })
    return new CopyMark(to, clock, nonce, isResumed)
  }

  /** Looks whether it is still ours; before each thing that somebody else may write too. @throws {WindlassError} `conflict` where it is not. */
  async expect(): Promise<void> {
    if (this.#nonce === null) return
    const found = await this.#to.get(copyMarkKey, { fresh: true })
    if (found.kind !== 'found' || parse(found.bytes).nonce !== this.#nonce) throw new WindlassError('conflict', `another run of this copy to ${this.#to.url} took over, or has ended: this one stops`, { path: 'to' })
    this.#lookedAt = this.#clock.monotonic()
  }

  /** As `expect`, once in two seconds: before what is written once, or is nobody's but the copy's. */
  async expectLately(): Promise<void> {
    if (this.#clock.monotonic() - this.#lookedAt >= lookEveryMs) await this.expect()
  }

  async remove(): Promise<void> {
    if (this.#nonce === null) return
    await this.expect()
    await this.#to.delete([copyMarkKey])
  }
}

function parse(bytes: Uint8Array): { from: string; nonce?: string } {
  try {
    return JSON.parse(fromUtf8(bytes)) as { from: string; nonce?: string }
  } catch (error) {
    if (isWindlassError(error)) throw error
    return { from: 'something else' }
  }
}
