import { isWindlassError } from '../../base/errors.ts'
import { newNonce } from '../../base/random.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { encodeManifest, manifestKey, type Manifest } from '../../format/manifest.ts'
import { snapshotKey } from '../../format/snapshot.ts'
import { Catalog, firstManifest } from '../catalog.ts'
import { findManifest } from '../commit/manifest-object.ts'
import { replaceManifest } from '../commit/replace-manifest.ts'
import type { CollectionCore } from '../core.ts'
import { readNamed } from './named.ts'

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
    await new Catalog(core.context).mark(pin.id, pin.name, core.id)
    try {
      await store.put(key, encodeManifest(firstManifest({ id: pin.id, name: pin.name, schema: manifest.schema, nonce: newNonce(random), now: clock.now(), state: 'dropped', parent: core.id })), { condition: { ifAbsent: true } })
    } catch (error) {
      if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
    }
  }
}

/** Takes away the pin of a branch that needs nothing of its parent, or of its parent's parents. @returns whether there is none now. */
export async function unpinBranch(parent: CollectionCore, id: string): Promise<boolean> {
  if (!(await findManifest(parent.context.store, parent.prefix))) return true
  const { base, named } = await readNamed(parent)
  const pin = base.manifest.pins.find((each) => each.kind === 'branch' && each.id === id)
  if (!pin) return true
  if (!named.idlePins.includes(pin)) return false
  return (await replaceManifest(parent, base, { pins: base.manifest.pins.filter((each) => each !== pin) })).isDone
}
