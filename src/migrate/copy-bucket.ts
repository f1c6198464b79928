import type { Clock } from '../base/clock.ts'
import { WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { catalogPrefix, decodeCatalogEntry } from '../format/catalog-entry.ts'
import { decodeManifest, type Manifest } from '../format/manifest.ts'
import { copyMarkKey } from '../library/copy-under-way.ts'
import { CopyMark } from './copy-mark.ts'
import { isEqual, putOnce } from './put-once.ts'
import type { ListedObject, ObjectStore, StoredObject } from '../store/object-store.ts'

export interface CopyBucketOptions {
  readonly clock: Clock
  readonly random: Random
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
 *
 * What the destination's users wrote is never written over: log entries, manifests and names are put under a condition, by the run that
 * came last. A copy that is started again goes on only where nobody else wrote meanwhile.
 * @throws {WindlassError} `conflict` where the destination holds collections of its own, or another run took over.
 */
export async function copyBucket(from: ObjectStore, to: ObjectStore, options: CopyBucketOptions): Promise<CopyBucketReport> {
  const totals: Totals = { objects: 0, bytes: 0, copied: 0, copiedBytes: 0, unchanged: 0 }
  const mark = await CopyMark.take(to, from.url, options)
  if (mark.isResumed) await expectOwnNames(from, to)
  else {
    // Once the mark is there: what another copy brought before that is seen.
    await expectNoCollections(to).catch(async (error: unknown) => {
      await mark.remove()
      throw error
    })
  }
  const copy = new BucketCopy(from, to, options, totals, mark)
  for (const id of await copy.collectionIds()) await copy.collection(id)
  await copy.others()
  const collections = await copy.catalog()
  await mark.remove()
  return { from: from.url, to: to.url, collections, ...totals }
}

/** @throws {WindlassError} `invalid` where one place lies inside the other: a copy would meet what it has just written. */
export function expectApart(from: string, to: string): void {
  const [a, b] = [from, to].map((url) => `${url.replace(/\/+$/, '')}/`) as [string, string]
  if (a === b) throw new WindlassError('invalid', `${from} is both source and destination: name another`, { path: 'to' })
  if (a.startsWith(b) || b.startsWith(a)) throw new WindlassError('invalid', `of ${from} and ${to} one lies inside the other: name a destination beside the source`, { path: 'to' })
}

class BucketCopy {
  readonly #from: ObjectStore
  readonly #to: ObjectStore
  readonly #options: CopyBucketOptions
  readonly #totals: Totals
  readonly #mark: CopyMark
  /** What was copied, and of which collection each takes the place, or is about to. */
  readonly #done = new Map<string, string | null>()

  constructor(from: ObjectStore, to: ObjectStore, options: CopyBucketOptions, totals: Totals, mark: CopyMark) {
    this.#from = from
    this.#to = to
    this.#options = options
    this.#totals = totals
    this.#mark = mark
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

  /** @param isLate It was made while the others were copied: what it shares with them may not be there yet. */
  async collection(id: string, isLate = false): Promise<void> {
    const key = `data/${id}/manifest`
    // Read now, written when all that it names is there.
    const answer = await this.#from.get(key, { fresh: true })
    const manifest = answer.kind === 'found' ? decodeManifest(answer.bytes, key) : null
    this.#done.set(id, manifest?.restores?.from ?? null)
    if (isLate && manifest) for (const owner of ownersOf(manifest)) if (owner !== id) await this.collection(owner, !this.#done.has(owner))
    const log = { floor: manifest?.floor ?? 0, last: manifest?.floor ?? 0 }
    await this.#objects(withoutGaps(this.#from.list(`data/${id}/`), log), (object) => !manifestKey.test(object.key))
    if (this.#mark.isResumed) await this.#expectLogEnds(id, log.last)
    if (answer.kind === 'found') await this.#manifest(key, answer, manifest!)
  }

  /** Models, notes, and what is not ours at all. */
  async others(): Promise<void> {
    await this.#objects(this.#from.list(''), ({ key }) => !key.startsWith('data/') && !key.startsWith('catalog/'))
  }

  /** Names, last of all. One that was given meanwhile may stand for a collection that was not there when they were listed, or not yet in another's place. */
  async catalog(): Promise<number> {
    let count = 0
    for await (const { key } of this.#from.list(catalogPrefix)) {
      const answer = await this.#from.get(key, { fresh: true })
      if (answer.kind !== 'found') continue
      const entry = decodeCatalogEntry(answer.bytes, key)
      if (entry && this.#done.get(entry.id) !== null) await this.collection(entry.id, true)
      await this.#name(key, answer)
      if (entry) count++
    }
    return count
  }

  async #name(key: string, answer: StoredObject): Promise<void> {
    const there = await this.#to.get(key, { fresh: true })
    const [ours, theirs] = [decodeCatalogEntry(answer.bytes, key), there.kind === 'found' ? decodeCatalogEntry(there.bytes, key) : null]
    if (ours && theirs && ours.id !== theirs.id) throw anotherName(this.#to, theirs.name)
    // One that was dropped at the source may be somebody's at the destination.
    const isNewer = theirs === null ? ours !== null || there.kind !== 'found' : ours ? ours.version > theirs.version : this.#done.has(theirs.id)
    await this.#putIf(isNewer, key, answer, there.kind === 'found' ? there : null)
  }

  async #manifest(key: string, answer: StoredObject, manifest: Manifest): Promise<void> {
    const there = await this.#to.get(key, { fresh: true })
    if (there.kind === 'found' && !isBefore(decodeManifest(there.bytes, key), manifest)) await this.#refuse(key)
    await this.#putIf(there.kind !== 'found' || !isEqual(there.bytes, answer.bytes), key, answer, there.kind === 'found' ? there : null)
  }

  /** @param there What was found there before the mark is looked at: whoever writes in between makes the condition fail. */
  async #putIf(isWanted: boolean, key: string, answer: StoredObject, there: StoredObject | null): Promise<void> {
    this.#totals.objects++
    this.#totals.bytes += answer.size
    if (!isWanted) {
      this.#totals.unchanged++
      return
    }
    if (!this.#options.dryRun) {
      await this.#mark.expect()
      if (!(await putOnce(this.#to, key, answer.bytes, there ? { ifMatch: there.etag } : { ifAbsent: true }))) await this.#refuse(key)
    }
    this.#note(answer.size)
  }

  /** What lies behind the last entry that was copied is somebody's at the destination. */
  async #expectLogEnds(id: string, last: number): Promise<void> {
    for await (const { key } of this.#to.list(`data/${id}/log/`)) if (Number(logKey.exec(key)?.[2] ?? 0) > last) await this.#refuse(key)
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
      await this.#mark.expectLately()
      if (size > wholeBytesMax && this.#to.upload) await this.#to.upload(key, this.#pieces(key, size))
      else {
        const answer = await this.#from.get(key)
        // Swept between the list and now: then nothing needs it.
        if (answer.kind !== 'found') return
        if (logKey.test(key)) {
          await this.#mark.expect()
          if (!(await putOnce(this.#to, key, answer.bytes, { ifAbsent: true }))) await this.#refuse(key)
        } else await this.#to.put(key, answer.bytes)
      }
    }
    this.#note(size)
  }

  async #isThere(key: string, size: number, etag: string | undefined): Promise<boolean> {
    const there = await this.#to.head(key)
    if (there && logKey.test(key) && etag !== there.etag) await this.#expectSame(key)
    if (there?.size !== size) return false
    // Of one size, and never written twice: the same. Others are by their checksum, where both ends have the same kind of it.
    return immutable.test(key) || (etag !== undefined && there.etag === etag)
  }

  /** Something else is there: the next run's, or somebody's who used what is not yet whole. */
  async #refuse(key: string): Promise<never> {
    await this.#mark.expect()
    throw new WindlassError('conflict', `somebody wrote to ${this.#to.url} since the copy began (${key}), and would lose it: copy to another place; or delete ${copyMarkKey} there, and the copy stays as it is`, { key })
  }

  /** A log entry that is there under the number of ours, where checksums do not tell. */
  async #expectSame(key: string): Promise<void> {
    const [ours, theirs] = await Promise.all([this.#from.get(key), this.#to.get(key, { fresh: true })])
    if (ours.kind === 'found' && theirs.kind === 'found' && !isEqual(ours.bytes, theirs.bytes)) await this.#refuse(key)
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
async function* withoutGaps(objects: AsyncIterable<ListedObject>, log: { readonly floor: number; last: number }): AsyncGenerator<ListedObject> {
  for await (const object of objects) {
    const [, , digits] = logKey.exec(object.key) ?? []
    const number = digits === undefined ? 0 : Number(digits)
    if (number > log.floor && number !== log.last + 1) continue
    log.last = Math.max(log.last, number)
    yield object
  }
}

/** Collections under whose prefixes lies what a manifest names, or whose place it takes. */
function ownersOf({ segments, pins, parent, restores }: Manifest): Set<string> {
  const owners = [parent, restores?.from, ...pins.map(({ owner }) => owner), ...segments.flatMap(({ owner, deletes }) => [owner, deletes?.owner])]
  return new Set(owners.filter((owner) => owner !== undefined))
}

/** Whether `there` is what `manifest` is, or was: as far as it remembers, by the nonces of its versions. */
function isBefore(there: Manifest, manifest: Manifest): boolean {
  const age = manifest.version - there.version
  if (age <= 0) return age === 0 && there.nonce === manifest.nonce
  return age > manifest.pastNonces.length || manifest.pastNonces[age - 1] === there.nonce
}

function anotherName(to: ObjectStore, name: string): WindlassError {
  return new WindlassError('conflict', `${to.url} has another collection ${JSON.stringify(name)} than the one that is copied: drop it there and start again, or copy to another place`, { path: 'to' })
}

/** Of a copy that is started again. @throws {WindlassError} `conflict` where a name stands for something that the source has not under it. */
async function expectOwnNames(from: ObjectStore, to: ObjectStore): Promise<void> {
  for await (const { key, size } of to.list(catalogPrefix)) {
    if (size === 0) continue
    const [there, ours] = await Promise.all([to.get(key, { fresh: true }), from.get(key, { fresh: true })])
    const [theirs, entry] = [there, ours].map((answer) => (answer.kind === 'found' ? decodeCatalogEntry(answer.bytes, key) : null)) as [ReturnType<typeof decodeCatalogEntry>, ReturnType<typeof decodeCatalogEntry>]
    if (theirs && entry && theirs.id !== entry.id) throw anotherName(to, theirs.name)
  }
}

async function expectNoCollections(to: ObjectStore): Promise<void> {
  for await (const { key, size } of to.list(catalogPrefix)) {
    // What a dropped collection leaves of its name.
    if (size === 0) continue
    throw new WindlassError('conflict', `${to.url} holds collections already (${key.slice(catalogPrefix.length)}): copy to an empty prefix, or one collection with ${to.url}#<name>`, { path: 'to' })
  }
}
