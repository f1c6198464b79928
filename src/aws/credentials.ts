import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'

/** Keys for requests to AWS. */
export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of temporary keys. */
  readonly sessionToken?: string
  /** Milliseconds since 1970; absent: they do not expire, or nobody knows when. */
  readonly expiresAt?: number
  /** ARN of whoever has these keys, where it came with them. */
  readonly principal?: string
}

/** Gives keys that are good for some minutes yet. What stores take as `StoreSettings.credentials`. */
export interface CredentialSource {
  get(): Promise<AwsCredentials>
  /** Somebody was told that these keys are not good any more: the next `get` gives others. */
  refuse(accessKeyId: string): void
  /** ARN of whoever has the keys, for messages; undefined where it cannot be found out. */
  principal(): Promise<string | undefined>
}

// AWS: sessions last 15 minutes at least. A request that was signed just before the end still has to arrive, and a part of a large
// document after it.
const refreshBeforeMs = 5 * 60_000
// Many processes begin together, when a job starts: they are not to ask for new keys together for ever.
const jitterMs = 60_000
const retryAfterMs = 30_000

/**
 * Keeps credentials until five to six minutes before they expire. However many ask, one request is under way; should it fail, those at
 * hand serve until they expire.
 */
export class CachedCredentials {
  readonly #load: () => Promise<AwsCredentials>
  readonly #clock: Clock
  readonly #random: Random
  #current: AwsCredentials | null = null
  #dueAt = Infinity
  #loading: Promise<AwsCredentials> | null = null

  constructor(load: () => Promise<AwsCredentials>, { clock, random }: { clock: Clock; random: Random }) {
    this.#load = load
    this.#clock = clock
    this.#random = random
  }

  async get(): Promise<AwsCredentials> {
    const current = this.#current
    if (current && this.#clock.now() < this.#dueAt) return current
    const loading = (this.#loading ??= this.#refresh().finally(() => (this.#loading = null)))
    try {
      return await loading
    } catch (error) {
      if (!current || this.#current !== current || this.#clock.now() >= (current.expiresAt ?? 0)) throw error
      this.#dueAt = this.#clock.now() + retryAfterMs
      return current
    }
  }

  refuse(accessKeyId: string): void {
    if (this.#current?.accessKeyId === accessKeyId) this.#current = null
  }

  async #refresh(): Promise<AwsCredentials> {
    const next = await this.#load()
    const now = this.#clock.now()
    const before = refreshBeforeMs + this.#random.next() * jitterMs
    // Some issuers give shorter ones than AWS: half of their time is used.
    this.#dueAt = next.expiresAt === undefined ? Infinity : Math.max(next.expiresAt - before, now + (next.expiresAt - now) / 2)
    return (this.#current = next)
  }
}
