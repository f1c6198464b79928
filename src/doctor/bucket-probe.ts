import type { Clock } from '../base/clock.ts'
import { isWindlassError, messageOf, WindlassError } from '../base/errors.ts'
import { newId, type Random } from '../base/random.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { openStore, parseS3Url, type StoreSettings } from '../store/open-store.ts'

/** Keys, with the SDK's notes of where it found them. */
export interface FoundKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly $source?: Readonly<Record<string, unknown>>
}

/** What came of the first request: an answer, whatever it says, or none. */
export interface Contact {
  /** Null: the store answered, and let us in. */
  readonly error: WindlassError | null
  /** Milliseconds that the store's clock is ahead of ours; undefined where it has none. */
  readonly skewMs: number | undefined
  /** What the server calls itself, where it does. */
  readonly server: string | undefined
}

// One request, one answer: a wrapper that repeats would hide what is wrong.
const requestTimeoutMs = 10_000
// Of each place that the chain asks over the network: a busy machine takes its time to answer itself.
const chainTimeoutMs = 5_000
// `Date` has whole seconds: on average it is half of one behind.
const dateStepMs = 1000

/** The bucket as the checks ask it: each request once, on keys of its own, and what the first of them told. */
export class BucketProbe {
  /** Below it lies all that checks write, and nothing else. */
  readonly folder: string
  readonly #url: string
  readonly #settings: () => StoreSettings
  readonly #clock: Clock
  #store: Promise<ObjectStore> | null = null
  #contact: Promise<Contact> | null = null
  #chain: Promise<FoundKeys> | null = null

  /** @param settings Asked when the store is opened: what is wrong with them is the finding of a check. */
  constructor(url: string, settings: () => StoreSettings, { clock, random }: { clock: Clock; random: Random }) {
    this.#url = url
    this.#settings = settings
    this.#clock = clock
    this.folder = `doctor/${newId(clock.now(), random)}`
  }

  /** @throws {WindlassError} for settings that contradict each other. */
  store(): Promise<ObjectStore> {
    return (this.#store ??= this.#open())
  }

  /** Asks for a key that is not there, once for all checks. Never throws. */
  contact(): Promise<Contact> {
    return (this.#contact ??= this.#ask())
  }

  /** Keys of the AWS default chain, which is asked once. @throws the SDK's error where there are none. */
  chain(): Promise<FoundKeys> {
    return (this.#chain ??= askChain())
  }

  async close(): Promise<void> {
    await (await this.#store?.catch(() => null))?.close?.()
  }

  async #open(): Promise<ObjectStore> {
    const settings = { ...this.#settings(), requestTimeoutMs }
    if (!/^s3:/i.test(this.#url)) return openStore(this.#url, settings)
    const { bucket, prefix } = parseS3Url(this.#url)
    const [{ S3Store }, { PrefixStore }] = await Promise.all([import('../store/s3-store.ts'), import('../store/prefix-store.ts')])
    // Where the chain has nothing, the store says so in its own words.
    const found = settings.accessKeyId === undefined && settings.credentials === undefined ? await this.chain().catch(() => null) : null
    const keys = found && { accessKeyId: found.accessKeyId, secretAccessKey: found.secretAccessKey, ...(found.sessionToken !== undefined && { sessionToken: found.sessionToken }) }
    const store = new S3Store({ bucket, ...settings, ...keys })
    return prefix === '' ? store : new PrefixStore(store, `${prefix}/`)
  }

  async #ask(): Promise<Contact> {
    let store: ObjectStore
    try {
      store = await this.store()
    } catch (error) {
      return { error: asOurs(error), skewMs: undefined, server: undefined }
    }
    const sent = this.#clock.now()
    let [error, date]: [WindlassError | null, number | undefined] = [null, undefined]
    try {
      ;({ date } = await store.get(`${this.folder}/not-there`, { fresh: true }))
    } catch (failure) {
      error = asOurs(failure)
      date = (error.cause as { date?: number } | undefined)?.date
    }
    const received = this.#clock.now()
    const server = /\(([^()]*)\)$/.exec(store.place?.() ?? '')?.[1]
    return {
      error,
      skewMs: date === undefined ? undefined : date + dateStepMs / 2 - (sent + received) / 2,
      server: server === 'unnamed server' ? undefined : server,
    }
  }
}

async function askChain(): Promise<FoundKeys> {
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node')
  return (await defaultProvider({ maxRetries: 0, timeout: chainTimeoutMs })()) as FoundKeys
}

function asOurs(error: unknown): WindlassError {
  return isWindlassError(error) ? error : new WindlassError('invalid', messageOf(error), { cause: error })
}
