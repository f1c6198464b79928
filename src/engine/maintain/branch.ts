import { WindlassError } from '../../base/errors.ts'
import { newId, newNonce } from '../../base/random.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { manifestKey, type Manifest } from '../../format/manifest.ts'
import type { Snapshot } from '../../format/snapshot.ts'
import { firstManifest, type Catalog } from '../catalog.ts'
import { putFirstManifest } from '../commit/first-manifest.ts'
import type { CollectionCore } from '../core.ts'
import { PastCollection } from '../past-collection.ts'
import { ownedBy, planFlush, uploadFlush } from './flush.ts'
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
  const { clock, random } = core.context
  const newMarkedId = async () => {
    const id = newId(clock.now(), random)
    await catalog.mark(id, name, core.id)
    return id
  }
  // Also where the snapshot lies under an older collection: that one's sweeps find the branch through this one, which names the
  // snapshot; but those of this one would not find it there, and a restored branch names the snapshots of both.
  let source: Source = { holder: core, snapshot: null }
  const pin = await addPin(core, 'branch', name, newMarkedId, async (base) => {
    if (snapshot !== undefined) {
      const { holder, snapshot: stored } = await loadSnapshot(core, snapshot)
      source = { holder, snapshot: stored }
      return holder.id === core.id ? stored : asNamedElsewhere(stored)
    }
    return { manifest: base.manifest, seq: (await core.open()).seq }
  })
  const { holder } = source
  const past = await PastCollection.open(holder, source.snapshot ?? pin.snapshot)
  const { segments, content } = await uploadFlush(holder, planFlush(past.view), pin.id)
  const { view } = past
  const manifest: Manifest = {
    ...firstManifest({ id: pin.id, name, schema: view.schema, nonce: newNonce(random), now: clock.now(), parent: core.id }),
    floor: view.seq,
    segments,
    content,
    // At a number that the log has passed: nothing is to be restored yet.
    ...(isRestore && { restores: { from: core.id, at: 1 } }),
  }
  const key = dataPrefix(pin.id) + manifestKey
  if (!(await putFirstManifest(core.context, manifest))) throw givenUp(name, key)
  // A sweep that had given it up may have removed that manifest again, and more: as long as the pin is there, nothing was. One that gave
  // up the id before there was a pin may still be about to.
  const { manifest: parent } = await core.readManifest()
  if (!parent.pins.some(({ id }) => id === pin.id) || !(await catalog.wasMarkYoung(pin.id))) {
    await catalog.markDropped(pin.id, name, core.id)
    throw givenUp(name, key)
  }
  return pin.id
}

/** What a branch begins as: a snapshot and the collection it lies under, or the collection as its pin found it. */
interface Source {
  readonly holder: CollectionCore
  readonly snapshot: Snapshot | null
}

/**
 * As a collection pins a snapshot that lies under another: its segments. The log that it needs can be named only where it lies; the
 * snapshot's own pin keeps that, and if that goes meanwhile, the branch cannot be made.
 */
function asNamedElsewhere({ manifest }: Snapshot): Pick<Snapshot, 'manifest' | 'seq'> {
  const segments = manifest.segments.map((ref) => ownedBy(manifest.collectionId, ref))
  return { manifest: { ...manifest, segments }, seq: manifest.floor }
}

function givenUp(name: string, key: string): WindlassError {
  return new WindlassError('expired', `making ${JSON.stringify(name)} took longer than the grace period, and was given up meanwhile: try again`, { key })
}
