import { isWindlassError, WindlassError } from '../base/errors.ts'
import { newNonce, type Random } from '../base/random.ts'
import type { GetOptions, GetResult, ObjectStore } from './object-store.ts'
import { WrappingStore, type ObjectHead } from './wrapping-store.ts'

/** How a store says that a key is not there: `get` answers it, or only `list` does, because reads of missing keys are forbidden. */
export type AbsencePolicy = 'get' | 'list'

/**
 * Learns absence by listing where a store answers 403 to reads of missing keys: S3 does, when s3:ListBucket is limited to prefixes
 * (docs/protocol.md, F1). Once a read was told "absent", a 403 is an error for ever.
 * A `fresh` read is listed at the same time, not afterwards, so that absence costs one round trip there too.
 */
export class ListingAbsenceStore extends WrappingStore {
  readonly #random: Random
  #policy: AbsencePolicy | undefined

  constructor(inner: ObjectStore, { random }: { random: Random }) {
    super(inner)
    this.#random = random
  }

  /** Undefined until a key was missing, or refused. */
  get absence(): AbsencePolicy | undefined {
    return this.#policy
  }

  override async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    const listed = this.#policy === 'list' && options.fresh ? this.#isListed(key, options.signal) : undefined
    // Awaited below, if at all.
    listed?.catch(() => undefined)
    const answer = await this.#refusedIsNull(() => this.inner.get(key, options), key, options.signal, listed)
    if (answer?.kind === 'absent') this.#policy ??= 'get'
    return answer ?? { kind: 'absent', date: undefined }
  }

  override async head(key: string, options: { signal?: AbortSignal } = {}): Promise<ObjectHead | null> {
    return this.#refusedIsNull(() => this.inner.head(key, options), key, options.signal)
  }

  /**
   * Finds out how absence is said here, by reading a key that cannot be.
   * @param folder Where it would lie: s3:ListBucket may be limited to a prefix.
   * @throws {WindlassError} `denied` when neither reading nor listing is allowed.
   */
  async probeAbsence(signal?: AbortSignal, folder = ''): Promise<AbsencePolicy> {
    const key = `${folder}absent-${newNonce(this.#random)}`
    try {
      await this.inner.get(key, { fresh: true, ...(signal && { signal }) })
      this.#policy ??= 'get'
    } catch (error) {
      if (!isRefused(error)) throw error
      try {
        await this.#isListed(key, signal)
      } catch (cause) {
        throw new WindlassError('denied', `${this.url}: a missing key can neither be read nor listed: these credentials need s3:GetObject, and s3:ListBucket for the bucket or for its prefix`, { bucket: this.url, operation: 'get', cause })
      }
      this.#policy ??= 'list'
    }
    return this.#policy
  }

  /** Null where a read was refused because the key is missing. */
  async #refusedIsNull<Value>(read: () => Promise<Value>, key: string, signal: AbortSignal | undefined, listed?: Promise<boolean>): Promise<Value | null> {
    try {
      return await read()
    } catch (error) {
      if (!isRefused(error) || this.#policy === 'get') throw error
      if (this.#policy === undefined && (await this.#probeBeside(key, error, signal)) === 'get') throw error
      if (!(await (listed ?? this.#isListed(key, signal)))) return null
      // It is there: made after the refusal, or really refused.
      return read()
    }
  }

  /** @throws `refusal`, which names the key, where listing beside it is refused too. */
  async #probeBeside(key: string, refusal: unknown, signal: AbortSignal | undefined): Promise<AbsencePolicy> {
    try {
      return await this.probeAbsence(signal, key.slice(0, key.lastIndexOf('/') + 1))
    } catch (error) {
      throw isRefused(error) ? refusal : error
    }
  }

  async #isListed(key: string, signal: AbortSignal | undefined): Promise<boolean> {
    // The key itself is the first with this prefix.
    for await (const object of this.inner.list(key, signal ? { signal } : {})) return object.key === key
    return false
  }
}

function isRefused(error: unknown): boolean {
  return isWindlassError(error, 'denied') && (error.details.status === 403 || error.details.status === undefined)
}
