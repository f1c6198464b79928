import { isWindlassError, WindlassError } from '../../base/errors.ts'
import { newId, newNonce } from '../../base/random.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { decodeManifest, encodeManifest, manifestKey, type Manifest, type Pin } from '../../format/manifest.ts'
import { firstManifest, type Catalog } from '../catalog.ts'
import { findManifest, loadManifest } from '../commit/manifest-object.ts'
import { replaceManifest } from '../commit/replace-manifest.ts'
import type { CollectionCore } from '../core.ts'
import { PastCollection } from '../past-collection.ts'
import { planFlush, uploadFlush } from './flush.ts'
import { addPin, loadSnapshot } from './snapshots.ts'

/** What a branch is made from, and what for. */
export interface BranchOptions {
  /** A snapshot of the collection; as it is now without one. */
  readonly snapshot?: string
  /** The branch takes the place of the collection, and keeps its snapshots. */
  readonly isRestore?: boolean
}

/**
 * Makes a collection that begins as another one is, or was, and goes its own way: it names the other's segments, so that it costs what
 * the unflushed log comes to, whatever the size.
 *
 * A pin at the parent comes first, with a snapshot that speaks for the branch until it has a manifest (docs/protocol.md, E4). What the
 * branch names of others only shrinks; once that is nothing, a sweep of the parent takes the pin away. It has no name yet: see
 * `Catalog.claim` and `move`.
 * @returns its id.
 */
export async function makeBranch(core: CollectionCore, catalog: Catalog, name: string, { snapshot, isRestore = false }: BranchOptions): Promise<string> {
  const { clock, random, store } = core.context
  // What lies under an older collection branches off that one: its sweeps must know.
  const source = snapshot === undefined ? { holder: core, snapshot: null } : await loadSnapshot(core, snapshot)
  const { holder } = source
  const newMarkedId = async () => {
    const id = newId(clock.now(), random)
    await catalog.mark(id, name, holder.id)
    return id
  }
  const pin = await addPin(holder, 'branch', name, newMarkedId, async (base) => {
    if (source.snapshot) {
      const { manifest, seq } = (await loadSnapshot(core, snapshot!)).snapshot
      return { manifest, seq }
    }
    const view = await holder.open()
    holder.assertLive(view)
    return { manifest: base.manifest, seq: view.seq }
  })
  const past = await PastCollection.open(holder, pin.snapshot)
  const { segments, content } = await uploadFlush(holder, planFlush(past.view), pin.id)
  const { view } = past
  const manifest: Manifest = {
    ...firstManifest({ id: pin.id, name, schema: view.schema, nonce: newNonce(random), now: clock.now(), parent: holder.id }),
    floor: view.seq,
    segments,
    content,
    pins: isRestore ? await inheritedPins(core) : [],
    // At a number that the log has passed: nothing is to be restored yet.
    ...(isRestore && { restores: { from: core.id, at: 1 } }),
  }
  const key = dataPrefix(pin.id) + manifestKey
  try {
    await store.put(key, encodeManifest(manifest), { condition: { ifAbsent: true } })
  } catch (error) {
    if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
    const answer = await store.get(key, { fresh: true })
    if (answer.kind !== 'found') throw error
    if (decodeManifest(answer.bytes, key).nonce !== manifest.nonce) throw givenUp(name, key)
  }
  // A sweep that had given it up may have removed that manifest again, and more: as long as the pin is there, nothing was.
  const { manifest: parent } = await loadManifest(store, holder.prefix)
  if (!parent.pins.some(({ id }) => id === pin.id)) {
    await catalog.mark(pin.id, name, holder.id)
    throw givenUp(name, key)
  }
  return pin.id
}

function givenUp(name: string, key: string): WindlassError {
  return new WindlassError('expired', `making ${JSON.stringify(name)} took longer than the grace period, and was given up meanwhile: try again`, { key })
}

/** The snapshots of a collection, as one that takes its place names them. */
async function inheritedPins(core: CollectionCore): Promise<Pin[]> {
  const { manifest } = await loadManifest(core.context.store, core.prefix)
  return manifest.pins.filter(({ kind }) => kind === 'snapshot').map((pin) => ({ ...pin, owner: pin.owner ?? core.id }))
}

/**
 * Notes in a branch the number at which the log of the collection that it replaces will end. Who finds the branch abandoned takes that
 * number away before it drops the branch, so that of the two exactly one happens.
 * @throws {WindlassError} `expired` when the branch has been dropped.
 */
export async function noteRestore(child: CollectionCore, from: string, at: number): Promise<void> {
  for (;;) {
    const base = await findManifest(child.context.store, child.prefix)
    if (base?.manifest.state !== 'live') throw new WindlassError('expired', `restoring ${from} took longer than the grace period, and was given up meanwhile: try again`, { key: child.prefix })
    if (base.manifest.restores?.at === at) return
    if ((await replaceManifest(child, base, { restores: { from, at } })).isDone) return
  }
}

