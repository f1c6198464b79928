import { isWindlassError } from '../../base/errors.ts'
import { newNonce } from '../../base/random.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { encodeManifest, manifestKey, type Manifest } from '../../format/manifest.ts'
import { snapshotKey } from '../../format/snapshot.ts'
import { firstManifest } from '../catalog.ts'
import type { CollectionCore } from '../core.ts'

/**
 * Sees to branches whose maker died before their manifest was put: after a grace period the manifest is created here, as dropped,
 * so that a maker who wakes up finds it taken. The pin goes once that manifest is seen to name nothing (docs/protocol.md, E4).
 */
export async function releaseUnborn(core: CollectionCore, manifest: Manifest): Promise<void> {
  const { store, settings, clock, random } = core.context
  for (const pin of manifest.pins) {
    if (pin.kind !== 'branch') continue
    const key = dataPrefix(pin.id) + manifestKey
    const answer = await store.get(key, { fresh: true })
    if (answer.kind !== 'absent') continue
    const head = await store.head(core.prefix + snapshotKey(pin.id))
    if (head?.lastModified === undefined || head.date === undefined || head.date - head.lastModified < settings.graceMs) continue
    try {
      await store.put(key, encodeManifest(firstManifest({ id: pin.id, name: pin.name, schema: manifest.schema, nonce: newNonce(random), now: clock.now(), state: 'dropped' })), { condition: { ifAbsent: true } })
    } catch (error) {
      if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
    }
  }
}
