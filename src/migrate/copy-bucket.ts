import { fromUtf8, toUtf8 } from '../base/bytes.ts'
import { toIsoTime, type Clock } from '../base/clock.ts'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import { catalogPrefix, decodeCatalogEntry } from '../format/catalog-entry.ts'
import { decodeManifest } from '../format/manifest.ts'
import type { GetResult, ListedObject, ObjectStore } from '../store/object-store.ts'

export interface CopyBucketOptions {
  readonly clock: Clock
  /** Objects in flight. */
  readonly parallel: number
  readonly dryRun: boolean
  readonly signal?: AbortSignal
  onProgress?(objects: number, bytes: number): void
}

export interface CopyBucketReport {
  readonly from: string
  readonly to: string
  readonly collections: number
  /** Objects of ours, and others that lie beside them. */
  readonly objects: number
  readonly bytes: number
  readonly copied: number
  readonly copiedBytes: number
  /** Were there already, equal as far as size and checksum tell: an earlier run brought them. */
  readonly unchanged: number
}

/** Says that a copy is under way, and from where. Until it is gone, nobody should open the destination. */
const markKey = 'copy-under-way'
const wholeBytesMax = 64 * 1024 * 1024
const pieceBytes = 16 * 1024 * 1024
/** What belongs to the place, not to the content: proofs of the store, leases, and plans of what is about to be deleted. */
const leftBehind = /^(?:store-proof(?:-[0-9a-f]+)?|copy-under-way|data\/[^/]+\/(?:lease|sweep\/.*))$/
/** Replaced with every commit; all other objects of a collection are written once and never again. */
const manifestKey = /^data\/[^/]+\/manifest$/
const immutable = /^data\/[^/]+\/(?:log|segments|deletes|snapshots|manifests)\//
const logKey = /^(data\/[^/]+\/log\/)(\d+)$/

interface Totals {
  objects: number
  bytes: number
  copied: number
  copiedBytes: number
  unchanged: number
}

/**
 * Makes `to` what `from` is: collections with their schemas, settings, documents, snapshots and branches, what vectorizers remember, models, and
 * every other object below the prefix, byte for byte.
 *
 * Order makes the copy whole while others go on writing at the source: a manifest is read before what it names is copied (which stays for a
 * day, whatever replaces it) and written after; the log is copied as far as it has no gap; names come last, so that nobody finds half a
 * collection. What is written at the source meanwhile may be missing, and is not mixed in.
 * @throws {WindlassError} `conflict` where the destination holds collections of its own.
 */
export async function copyBucket(from: ObjectStore, to: ObjectStore, options: CopyBucketOptions): Promise<CopyBucketReport> {
  const totals: Totals = { objects: 0, bytes: 0, copied: 0, copiedBytes: 0, unchanged: 0 }
  const mark = await readMark(to)
  if (mark !== null && mark !== from.url) throw new WindlassError('conflict', `a copy of ${mark} to ${to.url} is under way: finish it, or copy to another place`, { path: 'to' })
  if (mark === null) await expectNoCollections(to)
  if (!options.dryRun && mark === null) await to.put(markKey, toUtf8(JSON.stringify({ from: from.url, startedAt: toIsoTime(options.clock.now()) })), { condition: { ifAbsent: true } })
  const copy = new BucketCopy(from, to, options, totals)
  for (const id of await copy.collectionIds()) await copy.collection(id)
  await copy.others()
  const collections = await copy.catalog()
  if (!options.dryRun) await to.delete([markKey])
  return { from: from.url, to: to.url, collections, ...totals }
}

class BucketCopy {
  readonly #from: ObjectStore
  readonly #to: ObjectStore
  readonly #options: CopyBucketOptions
  readonly #totals: Totals
  readonly #done = new Set<string>()

  constructor(from: ObjectStore, to: ObjectStore, options: CopyBucketOptions, totals: Totals) {
    this.#from = from
    this.#to = to
    this.#options = options
    this.#totals = totals
  }

  /** Of all collections that have anything, also those that a branch needs and no name stands for any more. */
  async collectionIds(): Promise<string[]> {
    const ids: string[] = []
    for await (const { key } of this.#from.list('data/')) {
      const id = key.split('/')[1]!
      if (ids.at(-1) !== id) ids.push(id)
    }
    return ids
  }

  async collection(id: string): Promise<void> {
    this.#done.add(id)
    const key = `data/${id}/manifest`
    // Read now, written when all that it names is there.
    const manifest = await this.#from.get(key, { fresh: true })
    const { floor } = manifest.kind === 'found' ? decodeManifest(manifest.bytes, key) : { floor: 0 }
    await this.#objects(withoutGaps(this.#from.list(`data/${id}/`), floor), (object) => !manifestKey.test(object.key))
    if (manifest.kind === 'found') await this.#put(key, manifest)
  }

  /** Models, notes, and what is not ours at all. */
  async others(): Promise<void> {
    await this.#objects(this.#from.list(''), ({ key }) => !key.startsWith('data/') && !key.startsWith('catalog/'))
  }

  /** Names, last of all. One that was given meanwhile may stand for a collection that was not there when they were listed. */
  async catalog(): Promise<number> {
    let count = 0
    for await (const { key } of this.#from.list(catalogPrefix)) {
      const answer = await this.#from.get(key, { fresh: true })
      if (answer.kind !== 'found') continue
      const entry = decodeCatalogEntry(answer.bytes, key)
      if (entry && !this.#done.has(entry.id)) await this.collection(entry.id)
      await this.#put(key, answer)
      if (entry) count++
    }
    return count
  }

  async #objects(objects: AsyncIterable<ListedObject>, isWanted: (object: ListedObject) => boolean): Promise<void> {
    const flights = new Set<Promise<void>>()
    let failure: { error: unknown } | null = null
    for await (const object of objects) {
      this.#options.signal?.throwIfAborted()
      if (failure) break
      if (leftBehind.test(object.key) || !isWanted(object)) continue
      while (flights.size >= this.#options.parallel) await Promise.race(flights)
      const flight: Promise<void> = this.#object(object)
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => flights.delete(flight))
      flights.add(flight)
    }
    await Promise.all(flights)
    if (failure) throw (failure as { error: unknown }).error
  }

  async #object({ key, size, etag }: ListedObject): Promise<void> {
    this.#totals.objects++
    this.#totals.bytes += size
    if (await this.#isThere(key, size, etag)) {
      this.#totals.unchanged++
      return
    }
    if (!this.#options.dryRun) {
      if (size > wholeBytesMax && this.#to.upload) await this.#to.upload(key, this.#pieces(key, size))
      else {
        const answer = await this.#from.get(key)
        // Swept between the list and now: then nothing needs it.
        if (answer.kind !== 'found') return
        await this.#to.put(key, answer.bytes)
      }
    }
    this.#note(size)
  }

  async #isThere(key: string, size: number, etag: string | undefined): Promise<boolean> {
    const there = await this.#to.head(key)
    if (there?.size !== size) return false
    // Of one size, and never written twice: the same. Others are by their checksum, where both ends have the same kind of it.
    return immutable.test(key) || (etag !== undefined && there.etag === etag)
  }

  async #put(key: string, answer: Extract<GetResult, { kind: 'found' }>): Promise<void> {
    this.#totals.objects++
    this.#totals.bytes += answer.size
    if (!this.#options.dryRun) await this.#to.put(key, answer.bytes)
    this.#note(answer.size)
  }

  #note(size: number): void {
    this.#totals.copied++
    this.#totals.copiedBytes += size
    this.#options.onProgress?.(this.#totals.copied, this.#totals.copiedBytes)
  }

  async *#pieces(key: string, size: number): AsyncGenerator<Uint8Array> {
    for (let start = 0; start < size; start += pieceBytes) {
      const answer = await this.#from.get(key, { range: { start, end: Math.min(start + pieceBytes, size) } })
      if (answer.kind !== 'found') throw new WindlassError('conflict', `${this.#from.url}: ${key} went away while it was copied: start again`, { key })
      yield answer.bytes
    }
  }
}

/**
 * A log entry that was written during the list may be in it while one before it is not: what comes after a gap stays behind. Up to the
 * manifest's floor gaps are what a sweep leaves.
 */
async function* withoutGaps(objects: AsyncIterable<ListedObject>, floor: number): AsyncGenerator<ListedObject> {
  let expected = floor + 1
  for await (const object of objects) {
    const [, , digits] = logKey.exec(object.key) ?? []
    const number = digits === undefined ? 0 : Number(digits)
    if (number > floor && number !== expected) continue
    if (number === expected) expected++
    yield object
  }
}

async function readMark(store: ObjectStore): Promise<string | null> {
  const answer = await store.get(markKey, { fresh: true })
  if (answer.kind !== 'found') return null
  try {
    return (JSON.parse(fromUtf8(answer.bytes)) as { from: string }).from
  } catch (error) {
    if (isWindlassError(error)) throw error
    return 'something else'
  }
}

async function expectNoCollections(to: ObjectStore): Promise<void> {
  for await (const { key } of to.list('catalog/')) {
    throw new WindlassError('conflict', `${to.url} holds collections already (${key.slice('catalog/'.length)}): copy to an empty prefix, or one collection with ${to.url}#<name>`, { path: 'to' })
  }
}
