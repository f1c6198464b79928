import { isWindlassError } from '../../base/errors.ts'
import { newNonce } from '../../base/random.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { encodeManifest, manifestKey, type Manifest } from '../../format/manifest.ts'
import { snapshotKey } from '../../format/snapshot.ts'
import type { CollectionCore } from '../core.ts'

/**
 * Sees to branches whose maker died before their manifest was put: after a grace period the manifest is created here, as dropped,
 * so that a maker who wakes up finds it taken. The pin goes once that manifest is seen to name nothing (docs/protocol.md, E4).
 */
export async function releaseUnborn(core: CollectionCore, manifest: Manifest): Promise<void> {
  const { store, settings } = core.context
  for (const pin of manifest.pins) {
    if (pin.kind !== 'branch') continue
    const key = dataPrefix(pin.id) + manifestKey
    const answer = await store.get(key, { fresh: true })
    if (answer.kind !== 'absent') continue
    const head = await store.head(core.prefix + snapshotKey(pin.id))
    if (head?.lastModified === undefined || head.date === undefined || head.date - head.lastModified < settings.graceMs) continue
    try {
      await store.put(key, encodeManifest(droppedManifest(core, pin.id, pin.name, manifest)), { condition: { ifAbsent: true } })
    } catch (error) {
      if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
    }
  }
}

/** The manifest of a collection that never was, and shall not be. */
export function droppedManifest(core: Pick<CollectionCore, 'context'>, id: string, name: string, like: Pick<Manifest, 'schema'>): Manifest {
  const { clock, random } = core.context
  return {
    formatVersion: 1,
    needs: [],
    collectionId: id,
    version: 1,
    nonce: newNonce(random),
    pastNonces: [],
    name,
    schema: like.schema,
    state: 'dropped',
    floor: 0,
    floorTime: clock.now(),
    segments: [],
    pins: [],
    sweep: { count: 0, id: null },
  }
}
