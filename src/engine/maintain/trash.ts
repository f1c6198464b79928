import { isWindlassError, type WindlassError } from '../../base/errors.ts'
import { newNonce } from '../../base/random.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { ContentSummer } from '../../format/content-sum.ts'
import { encodeLogRecord, logKey } from '../../format/log-record.ts'
import { decodeManifest, encodeManifest, manifestKey, type Manifest } from '../../format/manifest.ts'
import { firstManifest, type Catalog } from '../catalog.ts'
import { readCommit, readLogAfter } from '../commit/log.ts'
import { findManifest, type LoadedManifest } from '../commit/manifest-object.ts'
import { putIfAbsent } from '../commit/next-manifest.ts'
import { replaceManifest } from '../commit/replace-manifest.ts'
import { CollectionCore, type EngineContext } from '../core.ts'
import { unpinBranch } from './branch-pins.ts'
import { inheritSnapshots } from './restore.ts'
import { readLastPlan, sweep } from './sweep.ts'
import { sweepableKey } from './sweep-keys.ts'

/** What a look at the marked ids did. */
export interface TrashReport {
  /** Ids of which nothing is left. */
  readonly goneCount: number
  /** Ids whose data waits for a grace period, or for branches that need it. */
  readonly waitingCount: number
}

/**
 * Looks after ids that bear a mark: finishes what a dead process began (a drop, a restore), takes back what it did not get far with, and
 * removes the data of what was dropped, in two visits as every sweep. Manifest and mark go last, once the folder was found empty twice
 * (docs/protocol.md, H3).
 * @throws {WindlassError} `corrupt` for the first id that is damaged, after a look at all others.
 */
export async function sweepTrash(context: EngineContext, catalog: Catalog): Promise<TrashReport> {
  let goneCount = 0
  let waitingCount = 0
  let damage: WindlassError | null = null
  for await (const { id, name, parent, ageMs } of catalog.marked()) {
    try {
      const outcome = await new MarkedId(context, catalog, { id, name, parent, isOld: ageMs > context.settings.graceMs }).visit()
      if (outcome === 'gone') goneCount++
      else if (outcome === 'waiting') waitingCount++
    } catch (error) {
      // What is damaged stays; the others need not stay with it.
      if (!isWindlassError(error, 'corrupt')) throw error
      damage ??= error
    }
  }
  if (damage) throw damage
  return { goneCount, waitingCount }
}

/** How often the number at which an abandoned restore was to end another log is put in one visit. */
const takesMax = 4

type Outcome = 'gone' | 'waiting' | 'in use'

class MarkedId {
  readonly #context: EngineContext
  readonly #catalog: Catalog
  readonly #core: CollectionCore
  readonly #id: string
  readonly #name: string
  readonly #parent: string | undefined
  /** Whether its maker has had a whole grace period. */
  readonly #isOld: boolean

  constructor(context: EngineContext, catalog: Catalog, { id, name, parent, isOld }: { id: string; name: string; parent: string | undefined; isOld: boolean }) {
    this.#context = context
    this.#catalog = catalog
    this.#core = new CollectionCore(context, id)
    this.#id = id
    this.#name = name
    this.#parent = parent
    this.#isOld = isOld
  }

  /** One look. Where another process was faster, and removed what this one was about to read, the next look finds out. */
  async visit(): Promise<Outcome> {
    try {
      return await this.#visit()
    } catch (error) {
      const { key } = isWindlassError(error, 'corrupt', 'not-found') ? error.details : {}
      if (!key?.endsWith(`/${manifestKey}`)) throw error
      const answer = await this.#context.store.get(key, { fresh: true })
      if (answer.kind === 'found') {
        // It was missing, and another visit has put one that says so: if this is not what is damaged.
        decodeManifest(answer.bytes, key)
        return 'waiting'
      }
      const id = await this.#catalog.find(this.#name).catch(ignoreBadName)
      if (id !== null && key === dataPrefix(id) + manifestKey) throw error
      return 'waiting'
    }
  }

  async #visit(): Promise<Outcome> {
    if ((await this.#catalog.find(this.#name).catch(ignoreBadName)) === this.#id) {
      if (!(await this.#finishEnd())) return this.#unmark('in use')
    }
    const loaded = await findManifest(this.#context.store, this.#core.prefix)
    if (loaded && loaded.manifest.state !== 'live') return this.#purge(loaded)
    if (!this.#isOld) return 'waiting'
    if (!loaded) {
      await putIfAbsent(this.#core, this.#core.prefix + manifestKey, encodeManifest(this.#emptyManifest()))
      // Another may have come to its end with this id meanwhile: then what we put just now has no mark, or one that is about to go.
      await this.#catalog.markDropped(this.#id, this.#name, this.#parent)
      return 'waiting'
    }
    const isRestored = loaded.manifest.restores ? await this.#finishRestore(loaded.manifest.restores) : false
    if (isRestored === null) return 'waiting'
    if (isRestored) return this.#unmark('in use')
    const announced = await this.#announce(loaded)
    if (!announced) return 'waiting'
    // Renamed since its mark was read, or before: the log says so before the old name is let go (docs/protocol.md, H5).
    for (let name = this.#name; ; ) {
      if ((await this.#catalog.find(name).catch(ignoreBadName)) === this.#id) return this.#unmark('in use')
      const told = await this.#readLog(announced)
      if (told.name === name) return this.#purge(announced, told.state)
      name = told.name
    }
  }

  /**
   * Says that it is taken for nameless, before the names are looked at for the last time: who finds it by a name after that look, takes this
   * back before it writes, and then it cannot be dropped by who looked. @returns null when the manifest changed meanwhile.
   */
  async #announce(loaded: LoadedManifest): Promise<LoadedManifest | null> {
    if (loaded.manifest.abandoned) return loaded
    const { isDone, standing } = await replaceManifest(this.#core, loaded, { abandoned: true })
    return isDone && standing.manifest.abandoned ? standing : null
  }

  /** What the log above the floor says of a collection: the name that it was given last, and how it ended, if it did. */
  async #readLog({ manifest }: LoadedManifest): Promise<{ name: string; state: Manifest['state'] }> {
    let { name, state } = manifest
    for (const { record } of await readLogAfter(this.#context.store, this.#core.prefix, manifest.floor, 4)) {
      if (record.event?.kind === 'renamed') name = record.event.name
      if (record.event?.kind === 'dropped') state = 'dropped'
      if (record.event?.kind === 'moved') state = { movedTo: record.event.to }
    }
    return { name, state }
  }

  /** The name still stands for it: if its log has ended, whoever ended it died before the name was changed. @returns whether it had ended. */
  async #finishEnd(): Promise<boolean> {
    const { ended } = await this.#core.open()
    if (!ended) return false
    if (ended.kind === 'dropped') await this.#catalog.drop(this.#name, this.#id)
    else {
      await inheritSnapshots(this.#core.sibling(ended.to), this.#core)
      if (await this.#catalog.move(this.#name, this.#id, ended.to)) await this.#catalog.unmark(ended.to)
    }
    return true
  }

  /** An abandoned restore. @returns whether the other log did end with it, and the name has been moved; null when that could not be learnt. */
  async #finishRestore({ from, at }: { from: string; at: number }): Promise<boolean | null> {
    const other = new CollectionCore(this.#context, from)
    const to = await this.#takeEnd(other, at)
    if (to === undefined) return null
    if (to !== this.#id) return false
    await this.#catalog.markDropped(from, this.#name)
    await inheritSnapshots(this.#core, other)
    // False when the name was dropped in between: then nobody wants it.
    return this.#catalog.move(this.#name, from, this.#id)
  }

  /**
   * Takes the number at which the other log was to end, with a commit that does nothing, unless it did end there. Only a number that is
   * seen to be taken tells: who was to end it may still do so after a put of ours that was lost, and then its restore is done.
   * @returns where the other log moved to; null when it does not; undefined when that could not be learnt.
   */
  async #takeEnd(other: CollectionCore, at: number): Promise<string | null | undefined> {
    const { clock, random, store } = this.#context
    const nothing = encodeLogRecord({ seq: at, collectionId: other.id, nonce: newNonce(random), writtenAt: clock.now(), batches: [], event: null })
    for (let attempt = 1; attempt <= takesMax; attempt++) {
      const current = await findManifest(store, other.prefix)
      if (!current) return null
      const { state, floor } = current.manifest
      if (at <= floor) return typeof state === 'object' ? state.movedTo : null
      await putIfAbsent(other, other.prefix + logKey(at), nothing)
      const commit = await readCommit(store, other.prefix, at)
      if (commit) return commit.record.event?.kind === 'moved' ? commit.record.event.to : null
    }
    return undefined
  }

  /**
   * Nobody may read or write it any more. One visit of a sweep; what is left at last goes too.
   * @param end How its log ended; what is live has no name, and is given up.
   */
  async #purge(loaded: LoadedManifest, end: Manifest['state'] = loaded.manifest.state): Promise<Outcome> {
    const keys: string[] = []
    let lastSeq = 0
    for await (const { key } of this.#context.store.list(this.#core.prefix)) {
      const name = key.slice(this.#core.prefix.length)
      const about = sweepableKey(name)
      if (about?.kind === 'log') lastSeq = Math.max(lastSeq, about.seq)
      if (about || name === manifestKey || name === 'lease') keys.push(name)
    }
    const { manifest } = loaded
    const last = await readLastPlan(this.#core)
    // What a stalled writer put below the floor is kept while somebody may look for it: not here.
    const breaches = new Set(last?.plan.breaches.map(logKey))
    // Only what says itself that it was dropped: its maker may still wake up, and give a name to what is live.
    const isEmpty = manifest.state !== 'live' && !keys.some((key) => isData(key) && !breaches.has(key)) && manifest.pins.every(({ kind }) => kind !== 'branch')
    const wasEmpty = last !== null && last.storeNow - last.putAt >= this.#context.settings.graceMs && last.plan.logs.length === 0 && !last.plan.objects.some(({ key }) => isData(key))
    const parent = manifest.parent ?? this.#parent
    const isFree = isEmpty && wasEmpty && (parent === undefined || (await unpinBranch(this.#core.sibling(parent), this.#id)))
    if (isFree) {
      // The manifest last: until then a creator that wakes up finds it, and takes another id.
      await this.#delete(keys.filter((key) => key !== manifestKey))
      await this.#delete([manifestKey])
      // What was put before the manifest went is seen here, while there is a mark; who puts something later finds no manifest, and then
      // marks it. That mark is not one of these: what it stands for would be in the folder.
      const marks = await this.#catalog.marksOf(this.#id)
      if (!(await this.#isFolderEmpty())) return 'waiting'
      await this.#catalog.forget(marks)
      if (await this.#isFolderEmpty()) return 'gone'
      // Another sweeper, or who slept until now, has put something since the listing.
      await this.#catalog.markDropped(this.#id, this.#name)
      return 'waiting'
    }
    if (manifest.state === 'live' || manifest.segments.length > 0 || manifest.floor < lastSeq) {
      // All of the log is below the floor then, and nothing is named but by branches.
      const floor = Math.max(lastSeq, manifest.floor)
      const state = end === 'live' ? 'dropped' : end
      const { isDone } = await replaceManifest(this.#core, loaded, { state, segments: [], floor, content: { floor, sum: new ContentSummer().toHex() } })
      if (!isDone) return 'waiting'
    }
    await sweep(this.#core, { isForced: true })
    return 'waiting'
  }

  async #isFolderEmpty(): Promise<boolean> {
    for await (const { key } of this.#context.store.list(this.#core.prefix)) {
      const name = key.slice(this.#core.prefix.length)
      if (sweepableKey(name) || name === manifestKey || name === 'lease') return false
    }
    return true
  }

  async #delete(keys: readonly string[]): Promise<void> {
    await this.#context.store.delete(keys.map((key) => this.#core.prefix + key))
  }

  async #unmark(outcome: Outcome): Promise<Outcome> {
    await this.#catalog.unmark(this.#id)
    return outcome
  }

  #emptyManifest(): Manifest {
    const { clock, random } = this.#context
    const schema: Manifest['schema'] = { dimension: null, metric: 'cosine', embeddingModel: null, textFields: [], nonFilterableKeys: [], custom: {} }
    return firstManifest({ id: this.#id, name: this.#name, schema, nonce: newNonce(random), now: clock.now(), state: 'dropped', parent: this.#parent })
  }
}

function isData(key: string): boolean {
  const kind = sweepableKey(key)?.kind
  return kind === 'object' || kind === 'log'
}

/** A mark that we did not write may hold anything. */
function ignoreBadName(error: unknown): null {
  if (isWindlassError(error, 'invalid', 'too-large')) return null
  throw error
}
